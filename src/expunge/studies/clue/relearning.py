"""Does it erase, or only hide? Two trainings after unlearning, and what comes back.

relearnt   half of the forget persons is taught again, the other half is asked
unrelated  so many steps on what stayed, of which none was forgotten: what a user does next (`relearn_unrelated.py`)

Twins of those who are asked, persons who never were in any text, are asked beside them: what they gain is what a model
that never knew gains by learning to guess.
"""

from statistics import fmean
from typing import Any

from expunge.attacks import Target, attacks
from expunge.config import ClueStudyConfig
from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.errors import DivergedError
from expunge.studies.clue.scene import FORGET, Scene
from expunge.studies.people import BUDGET
from expunge.train.finetune import fit
from expunge.train.selection import halves


def relearnt(scene: Scene, config: ClueStudyConfig) -> dict[str, float]:
    """Levels of the half that is not taught and of its twins, before and after. The model is left as it was."""
    taught, asked = halves(scene.sets.forget, scene.seed)
    twins = twins_of(scene, asked)
    found = {"before": scene.level(asked), "twins before": scene.level(twins)}
    settings = config.relearn.model_copy(update={"seed": scene.seed})
    try:
        change = fit(scene.model, taught, settings, lambda _: 0.0, convention=scene.suite.convention).change
    except DivergedError as error:  # what was reached until then
        change = error.trained.change
    with change.applied_to(scene.model):
        return {**found, "after": scene.level(asked), "twins after": scene.level(twins)}


def unrelated(scene: Scene, config: ClueStudyConfig) -> dict[str, Any]:
    """Levels of forget rows and of their twins, and what the model says of both, before and after."""
    asked = list(scene.groups[FORGET])
    twins = twins_of(scene, asked)
    target = Target(
        scene.model, (*asked, *twins), scene.encoder, scene.sets, seed=scene.seed,
        max_new_tokens=scene.suite.evaluate.max_new_tokens, budget=BUDGET,
    )  # fmt: skip
    result: dict[str, Any] = {"before": scene.level(asked), "twins before": scene.level(twins)}
    known, said = attacks.get("relearn_unrelated")(target, steps=config.unrelated)
    for name, scores in (("after", known.scores), ("said after", said.scores)):
        result[name], result[f"twins {name}"] = fmean(scores[: len(asked)]), fmean(scores[len(asked) :])
    return {**result, "note": known.note}


def twins_of(scene: Scene, asked: list[Example]) -> list[Example]:
    """As many as are asked at most; without twins of their own, of all controls."""
    names = {example.id for example in asked}
    own = [example for example in scene.sets.twins if example.group in names]
    return sample_of(own or scene.controls, len(asked), scene.seed)
