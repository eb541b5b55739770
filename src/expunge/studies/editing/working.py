"""The jobs that edit and train: the controls, and the cells of every part."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.config import EditingStudyConfig, LoadConfig
from expunge.data.example import Example
from expunge.errors import ExpungeError, RunError
from expunge.models.loading import load_model
from expunge.studies.editing.arms import UNTRAINABLE, Arm, Cell, arms, home
from expunge.studies.editing.editing import Chosen, Made, applied, shares
from expunge.studies.editing.erasing import attacked
from expunge.studies.editing.measures import Measures, Said, averaged, measured, said_before
from expunge.studies.editing.scene import FORGET, NEIGHBOURS, Scene, never, path_of, scene_of
from expunge.studies.editing.targets import own_words, told, with_targets
from expunge.studies.results import read_result, write_result


def control(folder: Path, *, config: Mapping[str, Any], knowledge: str, seed: int, taught: str | None) -> None:
    """The job: the unedited model and one that never knew, measured and attacked as all others are."""
    study = EditingStudyConfig.model_validate(config)
    scene = scene_of(study, knowledge, seed, path_of(taught))
    before = said_before(scene, scene.facts)
    result: dict[str, Any] = {}
    result["unedited"] = {
        "measures": measured(scene, scene.facts, before), "attacks": attacked(scene, study, scene.facts),
    }  # fmt: skip
    result["never"] = _never_knew(scene, study, before)
    write_result(folder, result)


def _never_knew(scene: Scene, study: EditingStudyConfig, before: Said) -> dict[str, Any]:
    """The retrained model; where there is none, the same model asked about twins."""
    if scene.suite.texts or study.retrained:
        model = load_model(study.retrained, LoadConfig(device="cpu")) if study.retrained else never(study, scene.seed)
        return {
            "measures": measured(scene, scene.facts, before, model=model),
            "attacks": attacked(scene, study, scene.facts, model=model),
        }
    twins = one_each(scene.facts, scene.of(scene.facts).twins)
    return {"attacks": attacked(scene, study, twins)} if twins else {}


def one_each(facts: Sequence[Example], twins: Sequence[Example]) -> list[Example]:
    """A twin a fact: the i-th name for the i-th fact, since relearning cannot learn twelve answers of one name.

    Where there are more facts than names, they begin again.
    """
    found: list[Example] = []
    for number, fact in enumerate(facts):
        if own := [each for each in twins if each.group == fact.id]:
            found.append(own[number % len(own)])
    return found


def cell(
    folder: Path, *, config: Mapping[str, Any], knowledge: str, seed: int, part: str, count: int, chosen: Chosen,
    corpus: str | None, taught: str | None,
) -> None:  # fmt: skip
    """The job: every arm of a part that no other part has. What a killed job had done is not done again.

    Raises RunError, when all are through, for arms that could not be run: they are tried again when the study resumes.
    """
    study, own = EditingStudyConfig.model_validate(config), Cell(knowledge, part, count, seed)
    which = [arm for arm in arms(study, part, count) if home(study, own, arm) == (own, arm)]
    left = [arm for arm in which if read_result(folder, arm.file) is None]
    failed: dict[str, str] = {}
    if left:
        scene = scene_of(study, knowledge, seed, path_of(taught))
        scene = with_targets(scene, study, [arm.kind for arm in left])
        before = said_before(scene, scene.facts[: max(count, *(arm.draws for arm in left))])
        for arm in left:
            try:
                write_result(folder, _arm(scene, study, arm, chosen, corpus, before), arm.file)
                (folder / arm.failure).unlink(missing_ok=True)
            except ExpungeError as error:
                failed[arm.label] = str(error)
                write_result(folder, {"failed": str(error)}, arm.failure)
    if failed:
        raise RunError("; ".join(f"{label} could not be run: {message}" for label, message in failed.items()))
    write_result(folder, {"cell": own.label, "seconds": time.process_time(), "arms": [arm.label for arm in which]})


def _arm(
    scene: Scene, study: EditingStudyConfig, arm: Arm, chosen: Chosen, corpus: str | None, before: Said
) -> dict[str, Any]:
    """One condition: what the model says, what attacks get out of it, how long it took."""
    draws = [scene.facts[: arm.count]] if arm.draws == 1 else [scene.facts[i : i + 1] for i in range(arm.draws)]
    several: list[Measures] = []
    steps: list[dict[str, Any]] = []
    extra: dict[str, Any] = {}
    made: list[Made] = []
    for facts in draws:
        first = shares(facts, arm.requests)[0]

        def after(number: int, first: Sequence[Example] = first) -> None:
            if arm.requests > 1:
                steps.append({"request": number + 1, **_short(measured(scene, first, before))})

        with applied(scene, study, arm, facts, chosen, corpus, after) as done:
            several.append(measured(scene, facts, before, _targets(scene, arm, facts)))
            if arm.attacked and study.attacks:
                extra["attacks"] = attacked(scene, study, facts, done.attached)
            made.append(done)
    if (own := own_words(scene, [fact for facts in draws for fact in facts], arm.kind)) is not None:
        extra["own"] = own
    notes = list(dict.fromkeys(note for each in made for note in each.notes))
    norms = [each.norm for each in made if each.norm is not None]
    return {
        "measures": averaged(several), "seconds": sum(each.seconds for each in made) / len(made),
        "norm": sum(norms) / len(norms) if norms else None, "notes": notes, "steps": steps, **extra,
    }  # fmt: skip


def _short(measures: Measures) -> dict[str, float]:
    """Of the first request's facts, and of what must stay."""
    return {"said": measures[FORGET]["said"], "level": measures[FORGET]["level"], "kept": measures[NEIGHBOURS]["kept"]}


def _targets(scene: Scene, arm: Arm, facts: Sequence[Example]) -> list[Example]:
    """The facts with their targets as answers, where there is one."""
    if arm.kind in UNTRAINABLE:
        return []
    asked, _ = told(scene, facts, arm.kind)
    return [replace(each, answer=each.alternate) for each in asked if each.alternate is not None]
