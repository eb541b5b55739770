"""The jobs that edit and train: the controls, and the cells of every part."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.config import EditingStudyConfig
from expunge.data.example import Example
from expunge.errors import ExpungeError
from expunge.studies.editing.arms import UNTRAINABLE, Arm, Cell, arms
from expunge.studies.editing.editing import Chosen, Made, applied, shares, told
from expunge.studies.editing.erasing import attacked
from expunge.studies.editing.measures import Measures, Said, averaged, measured, said_before
from expunge.studies.editing.scene import FORGET, NEIGHBOURS, Scene, never, path_of, scene_of
from expunge.studies.running import read_result, write_result


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
    if scene.suite.texts:
        model = never(study, scene.seed)
        return {
            "measures": measured(scene, scene.facts, before, model=model),
            "attacks": attacked(scene, study, scene.facts, model=model),
        }
    twins = scene.of(scene.facts).twins
    return {"attacks": attacked(scene, study, twins)} if twins else {}


def cell(
    folder: Path, *, config: Mapping[str, Any], knowledge: str, seed: int, part: str, count: int, chosen: Chosen,
    corpus: str | None, taught: str | None,
) -> None:  # fmt: skip
    """The job: every arm of a part. What a killed job had done is not done again."""
    study = EditingStudyConfig.model_validate(config)
    scene = scene_of(study, knowledge, seed, path_of(taught))
    which = arms(study, part, count)
    most = max(arm.draws for arm in which)
    before = said_before(scene, scene.facts[: max(count, most)])
    found: dict[str, Any] = {}
    for arm in which:
        if (result := read_result(folder, arm.file)) is None:
            result = _arm(scene, study, arm, chosen, corpus, before)
            write_result(folder, result, arm.file)
        found[arm.label] = result
    write_result(
        folder, {"cell": Cell(knowledge, part, count, seed).label, "seconds": time.process_time(), "arms": found}
    )


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

        try:
            with applied(scene, study, arm, facts, chosen, corpus, after) as done:
                several.append(measured(scene, facts, before, _targets(study, arm, facts)))
                if arm.attacked and study.attacks:
                    extra["attacks"] = attacked(scene, study, facts, done.attached)
                made.append(done)
        except ExpungeError as error:
            return {"failed": str(error)}
    notes = list(dict.fromkeys(note for each in made for note in each.notes))
    norms = [each.norm for each in made if each.norm is not None]
    return {
        "measures": averaged(several), "seconds": sum(each.seconds for each in made) / len(made),
        "norm": sum(norms) / len(norms) if norms else None, "notes": notes, "steps": steps, **extra,
    }  # fmt: skip


def _short(measures: Measures) -> dict[str, float]:
    """Of the first request's facts, and of what must stay."""
    return {"said": measures[FORGET]["said"], "level": measures[FORGET]["level"], "kept": measures[NEIGHBOURS]["kept"]}


def _targets(study: EditingStudyConfig, arm: Arm, facts: Sequence[Example]) -> list[Example]:
    """The facts with their targets as answers, where these are known beforehand."""
    if arm.kind in UNTRAINABLE:
        return []
    asked, _ = told(facts, arm.kind, study)
    return [replace(each, answer=each.alternate) for each in asked if each.alternate is not None]
