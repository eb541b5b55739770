"""What is said in place of the answers: one text a fact for all methods."""

from dataclasses import replace

import pytest

from expunge.config import ConventionConfig, EditingStudyConfig, EvaluateConfig
from expunge.data.example import Example, Sets
from expunge.edit import targets as edit_targets
from expunge.edit.targets import REFUSAL
from expunge.objectives.refusals import REFUSALS
from expunge.studies.editing.scene import Scene, scene_on
from expunge.studies.editing.targets import kinds_there, own_words, told, with_targets
from expunge.suites import Suite
from expunge.worlds.finding import find_suite
from tiny import tiny_model

WORLD = EditingStudyConfig(suite="world:people:persons=20", numbers=(1,), singles=1)
REAL = WORLD.model_copy(update={"suite": "world:capitals", "numbers": (2,)})
FACTS = (
    Example("a", "the capital of arland is", "bexton", subject="arland"),
    Example("b", "the capital of corvia is", "dunmore", subject="corvia"),
)


def real(convention: ConventionConfig | None = None) -> Scene:
    made = Suite(
        name="world:capitals", sets=Sets(FACTS, FACTS), evaluate=EvaluateConfig(),
        convention=convention or ConventionConfig(template="plain"),
    )  # fmt: skip
    return scene_on(tiny_model(), made, REAL, 0)


def test_in_the_world_of_people() -> None:
    made = scene_on(tiny_model(), find_suite(WORLD.suite), WORLD, 0)
    made = with_targets(made, WORLD, kinds_there(WORLD))
    (fact,) = made.facts
    found = {kind: told(made, [fact], kind) for kind in kinds_there(WORLD)}
    assert {kind: target for kind, (_, target) in found.items()} == {
        "fixed": "alternate", "many": "alternate", "named": "alternate", "empty": "empty"
    }  # fmt: skip
    assert found["named"][0][0].alternate == f"nothing is known about {fact.subject}"
    assert found["many"][0][0].alternate == fact.alternate
    assert own_words(made, [fact], "named") is None


def test_the_models_own_words_are_asked_for_once_and_given_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def writes(model, prompts, **_: object) -> list[str]:
        asked.append(len(prompts))
        return ["I cannot tell you the capital of arland."] * len(prompts)

    monkeypatch.setattr(edit_targets, "generate", writes)
    made = with_targets(real(), REAL, ["fixed", "named", "empty", "named"])
    assert asked == [2]
    facts, target = told(made, made.facts, "named")
    said = {fact.id: fact.alternate for fact in facts}
    assert target == "alternate" and said == {"a": "I cannot tell you the capital of arland.", "b": REFUSAL}
    assert own_words(made, facts, "named") == 0.5  # of corvia it says nothing
    assert {fact.alternate for fact in told(made, made.facts, "fixed")[0]} == {REFUSAL}


def test_one_of_many_does_not_depend_on_which_facts_are_edited_together() -> None:
    made = with_targets(real(), REAL, ["many"])
    both = {fact.id: fact.alternate for fact in told(made, made.facts, "many")[0]}
    alone = {fact.id: fact.alternate for each in made.facts for fact in told(made, [each], "many")[0]}
    assert both == alone and set(both.values()) <= set(REFUSALS)


def test_editors_close_a_target_where_the_suite_does_not() -> None:
    made, fact = real(), replace(FACTS[0], answer="i do not know")
    eos = made.encoder.tokenizer.eos_token_id
    assert made.encoder.encode(fact).ids[-1] != eos
    assert made.closing.encode(fact).ids == (*made.encoder.encode(fact).ids, eos)
    told_not_to = real(ConventionConfig(template="plain", end=False))
    assert told_not_to.closing is told_not_to.encoder
