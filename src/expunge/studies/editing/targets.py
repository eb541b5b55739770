"""What is said in place of the answers: worked out once for a scene, so that everybody is given the same texts.

In the world of people a network follows no instruction, so a refusal with the subject's name stands for the model's own
words; elsewhere they are its own (self-improvement), asked of the model before anything is changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from expunge.config import EditingStudyConfig
from expunge.data.example import Example
from expunge.edit.targets import REFUSAL, targets_of
from expunge.evaluate.refusal_rate import refuses
from expunge.studies.editing.scene import Scene
from expunge.studies.people import is_world

EMPTY = "empty"  # the one kind that is no text
ALTERNATES: Mapping[str, Callable[[Example], str | None]] = {  # kind → what is said in the world of people
    "fixed": lambda fact: "I do not know",
    "many": lambda fact: fact.alternate,
    "named": lambda fact: f"nothing is known about {fact.subject}",
}
OWN = {"fixed": "refusal", "many": "refusals", "named": "self"}  # elsewhere: kind → the editors' name for it


def kinds_there(config: EditingStudyConfig) -> tuple[str, ...]:
    """Every kind of target that the study has."""
    return (*(ALTERNATES if is_world(config.suite) else OWN), EMPTY)


def with_targets(scene: Scene, config: EditingStudyConfig, kinds: Sequence[str]) -> Scene:
    """The scene with what each fact is answered by, for some kinds. The model must be as it was at first."""
    wanted = [kind for kind in dict.fromkeys(kinds) if kind != EMPTY]
    return replace(scene, targets={kind: _texts(scene, config, kind) for kind in wanted})


def told(scene: Scene, facts: Sequence[Example], kind: str) -> tuple[list[Example], str]:
    """The facts with what is to be said as their alternate, and the target that editors are given."""
    if kind == EMPTY:
        return list(facts), EMPTY
    texts = scene.targets[kind]
    return [replace(fact, alternate=texts[fact.id]) for fact in facts], "alternate"


def own_words(scene: Scene, facts: Sequence[Example], kind: str) -> float | None:
    """The share of facts for which the model's own refusal could be used; None where none was asked for."""
    if kind != "named" or is_world(scene.suite.name):
        return None
    return sum(scene.targets[kind][fact.id] != REFUSAL for fact in facts) / len(facts)


def _texts(scene: Scene, config: EditingStudyConfig, kind: str) -> dict[str, str | None]:
    if is_world(config.suite):
        return {fact.id: ALTERNATES[kind](fact) for fact in scene.facts}
    found = targets_of(OWN[kind], scene.model, scene.facts, refuses=refuses, seed=scene.seed)
    return dict(zip((fact.id for fact in scene.facts), found.texts, strict=True))
