"""How much is to be forgotten: shares of the forget set that are unlearnt alone, each with circuits of its own.

Every share has as many steps as the whole set has, so it is gone through the more often the smaller it is, and is
measured after as many. Whole groups are drawn. Nobody asks that the rest of the forget set goes or stays: it is of the
same kind, and tells how far unlearning reaches beyond what it was given.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from expunge.config import ClueStudyConfig, TrainConfig
from expunge.data.sampling import sample_of
from expunge.errors import ConfigError
from expunge.studies.clue.arms import BY_RATIO, arms, schedule, tuned_as, why_not
from expunge.studies.clue.nodes import ONE, found_in, searching
from expunge.studies.clue.plan import training
from expunge.studies.clue.scene import FORGET, REST, REWORDED, Scene, scene_of
from expunge.studies.clue.tracing import Start, run
from expunge.studies.clue.unlearning import outcome
from expunge.studies.results import read_result, write_result


def ratios(
    folder: Path, *, config: Mapping[str, Any], granularity: str, objective: str, rates: Mapping[str, float],
    seed: int, taught: str | None,
) -> None:  # fmt: skip
    """The job: a few arms on each share but the whole set, which the cell of all arms has."""
    study = ClueStudyConfig.model_validate(config)
    whole, results = scene_of(study, seed, taught), {}
    for ratio in (each for each in study.ratios if each < 1):
        place = f"{ratio:g}.json"
        if (result := read_result(folder, place)) is None:
            result = of_share(part_of(whole, study, ratio), whole, study, granularity, objective, rates)
            write_result(folder, result, place)
        results[f"{ratio:g}"] = result
    write_result(folder, {"granularity": granularity, "objective": objective, "seed": seed, "ratios": results})


def of_share(
    scene: Scene, whole: Scene, study: ClueStudyConfig, granularity: str, objective: str, rates: Mapping[str, float]
) -> dict[str, Any]:
    """Arm → what it did. Without a circuit of so few rows there is nothing to do."""
    try:
        found = {ONE: found_in(scene, searching(study, granularity, scene.seed))}
    except ConfigError as error:
        return {"rows": len(scene.sets.forget), "absent": str(error), "arms": {}}
    study, start = longer(study, len(whole.sets.forget), len(scene.sets.forget)), Start.of(scene)
    results: dict[str, Any] = {}
    for arm in (each for each in arms(study) if each in BY_RATIO):
        plan = schedule(arm, scene, found, study)
        if plan is None:
            results[arm] = {"arm": arm, "absent": why_not(arm, found)}
            continue
        settings = training(study, objective, rates[tuned_as(arm)], scene.seed)
        trace = run(scene, plan, as_often(settings, len(whole.sets.forget)), study, granularity, start)
        trace.complete()
        results[arm] = {"arm": arm, "rate": settings.learning_rate, **outcome(trace)}
    return {"rows": len(scene.sets.forget), "epochs": study.epochs, "arms": results}


def part_of(scene: Scene, study: ClueStudyConfig, ratio: float) -> Scene:
    """The same model with a share of the groups to be forgotten, at least one, and the rest beside it."""
    names = sorted({each.group or each.id for each in scene.sets.forget})
    order = np.random.default_rng([scene.seed, 4]).permutation(len(names))
    drawn = {names[i] for i in order[: max(1, round(ratio * len(names)))]}
    inside = lambda each: (each.group or each.id) in drawn
    forget = tuple(each for each in scene.sets.forget if inside(each))
    rest = sample_of([each for each in scene.sets.forget if not inside(each)], study.rows, scene.seed)
    groups = {title: rows for title, rows in scene.groups.items() if title != REWORDED}
    groups |= {FORGET: sample_of(forget, study.rows, scene.seed), **({REST: rest} if rest else {})}
    return replace(scene, sets=replace(scene.sets, forget=forget), groups=groups)


def longer(study: ClueStudyConfig, whole: int, part: int) -> ClueStudyConfig:
    """As many epochs as give a part of the rows the steps that all of them have, within rounding.

    >>> study = longer(ClueStudyConfig(), whole=160, part=40)
    >>> study.first, study.epochs  # 10 steps an epoch, and 3
    (3, 20)
    """
    own, all_steps = -(-part // study.batch_size), -(-whole // study.batch_size)
    first = max(1, round(study.first * all_steps / own))
    return study.model_copy(update={"first": first, "epochs": max(first + 1, round(study.epochs * all_steps / own))})


def as_often(settings: TrainConfig, whole: int) -> TrainConfig:
    """Measured after as many steps as an epoch of all rows has."""
    return settings.model_copy(update={"eval_every": -(-whole // settings.batch_size)})
