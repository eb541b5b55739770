"""The jobs that unlearn: every arm of an objective on one model, under settings that are the same but for the rate.

A result is written for each arm as soon as it is there, so a job that was killed goes on with the next.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.config import CircuitsConfig, ClueStudyConfig, TrainConfig
from expunge.errors import ConfigError
from expunge.mask import Mask
from expunge.parameters import parameters_of
from expunge.record_circuits import Circuits
from expunge.studies.clue.arms import ALL, CLUE, arms, schedule, tuned_as, twin_of, why_not
from expunge.studies.clue.nodes import ONE, found_in, moved, read, searching
from expunge.studies.clue.plan import training
from expunge.studies.clue.relearning import relearnt, unrelated
from expunge.studies.clue.saying import said
from expunge.studies.clue.scene import Scene, scene_of
from expunge.studies.clue.telling import told_apart
from expunge.studies.clue.tracing import Start, Trace, run
from expunge.studies.results import read_result, write_result

LOOKED_AT_AGAIN = (CLUE, ALL)  # arms after which circuits are looked for again


def pilot(
    folder: Path, *, config: Mapping[str, Any], objective: str, arm: str, seed: int, taught: str | None,
    circuits_folder: str,
) -> None:  # fmt: skip
    """The job: every learning rate of one arm. None: the arm has nothing to train."""
    study, found = ClueStudyConfig.model_validate(config), read(Path(circuits_folder))
    granularity, losses = study.granularities[0], []
    made: tuple[Any, ...] | None = None
    for rate in study.rates:
        place = f"{rate:g}.json"
        if (result := read_result(folder, place)) is None:
            if made is None:
                scene = scene_of(study, seed, taught)
                made = scene, schedule(arm, scene, found, study), Start.of(scene, measures=False)
            scene, plan, start = made
            trace = plan and run(scene, plan, training(study, objective, rate, seed), study, granularity, start)
            result = {"loss": trace.loss() if trace else None, "note": trace.note if trace else ""}
            write_result(folder, result, place)
        losses.append(result["loss"])
    write_result(folder, {"objective": objective, "arm": arm, "losses": losses})


def cell(
    folder: Path, *, config: Mapping[str, Any], granularity: str, objective: str, rates: Mapping[str, float],
    seed: int, taught: str | None, circuits_folder: str,
) -> None:  # fmt: skip
    """The job: every arm of an objective on one model."""
    study, found = ClueStudyConfig.model_validate(config), read(Path(circuits_folder))
    scene = scene_of(study, seed, taught)
    start = Start.of(scene)
    if (before := read_result(folder, "before.json")) is None:
        before = {"measures": start.measures, **further(scene, study)}
        write_result(folder, before, "before.json")
    results: dict[str, Any] = {}
    for arm in arms(study, objective):
        place, twin = f"{slug(arm)}.json", twin_of(arm, found)
        if twin in results:
            results[arm] = {**results[twin], "arm": arm, "same as": twin}
            continue
        if (result := read_result(folder, place)) is None:
            settings = training(study, objective, rates[tuned_as(arm)], seed)
            result = told(scene, arm, settings, found, study, granularity, start)
            write_result(folder, result, place)
        results[arm] = result
    write_result(folder, {
        "granularity": granularity, "objective": objective, "seed": seed, "rows": len(scene.sets.forget),
        "before": before, "arms": results, "sizes": {node.name: node.weights for node in found[ONE].nodes},
    })  # fmt: skip


def told(
    scene: Scene, arm: str, settings: TrainConfig, found: Mapping[str, Circuits], config: ClueStudyConfig,
    granularity: str, start: Start,
) -> dict[str, Any]:  # fmt: skip
    """What an arm did, and what comes back of it."""
    began = time.process_time()
    plan = schedule(arm, scene, found, config)
    if plan is None:
        return {"arm": arm, "absent": why_not(arm, found)}
    trace = run(scene, plan, settings, config, granularity, start)
    trace.complete()
    result = {"arm": arm, "rate": settings.learning_rate, **outcome(trace)}
    with trace.change().applied_to(scene.model):
        result |= further(scene, config)
        if arm in LOOKED_AT_AGAIN:
            result["moved"] = _moved(scene, found[ONE], searching(config, granularity, scene.seed))
    return {**result, "processor_seconds": round(time.process_time() - began, 2)}


def further(scene: Scene, config: ClueStudyConfig) -> dict[str, Any]:
    """What is asked of a model beyond the likelihood of answers. The model is left as it was."""
    return {
        "said": said(scene), "membership": told_apart(scene), "relearnt": relearnt(scene, config),
        "unrelated": unrelated(scene, config),
    }  # fmt: skip


def outcome(trace: Trace) -> dict[str, Any]:
    """Weights, nodes and points of a run. The model must be back at the start."""
    total = sum(weight.numel() for weight in parameters_of(trace.scene.model).values())
    masks = [stage.mask for stage in trace.stages]
    may = total if None in masks else _union(masks).weights()  # type: ignore[arg-type]
    return {
        "note": trace.note, "nodes": {name: list(some) for name, some in trace.schedule.nodes.items()},
        "stages": [{"epochs": s.epochs, "weights": total if s.mask is None else s.mask.weights()}
                   for s in trace.stages],
        "share": may / total, "changed": changed(trace) / total, "norm": trace.change().norm(),
        "never": trace.rule.never_known, "kept": trace.kept, "holds": trace.holds,
        "points": [{"step": p.step, "forget": p.forget, "utility": p.utility, "measures": m}
                   for p, m in zip(trace.points, trace.measures)],
    }  # fmt: skip


def changed(trace: Trace) -> int:
    """Weights that are not the same at the kept point, bit for bit."""
    start = parameters_of(trace.scene.model)
    return sum(int((start[name] != value).sum()) for name, value in trace.weights[trace.kept].items())


def _union(masks: Sequence[Mask]) -> Mask:
    first, *others = masks
    for each in others:
        first = first | each
    return first


def _moved(scene: Scene, before: Circuits, config: CircuitsConfig) -> dict[str, Any]:
    try:
        return moved(before, found_in(scene, config))
    except ConfigError as error:
        return {"absent": str(error)}
