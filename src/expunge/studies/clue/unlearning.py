"""The jobs that unlearn: every arm of an objective on one model, under settings that are the same but for the rate.

A result is written for each arm as soon as it is there, so a job that was killed goes on with the next.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from expunge.bench.cells import slug
from expunge.change import WeightChange
from expunge.circuits.graph import graph_of
from expunge.config import CircuitsConfig, ClueStudyConfig, TrainConfig
from expunge.errors import ConfigError, DivergedError
from expunge.mask import Mask
from expunge.parameters import parameters_of
from expunge.record_circuits import Circuits
from expunge.studies.clue.arms import ALL, CLUE, Schedule, Stage, arms, schedule, tuned_as
from expunge.studies.clue.measures import Measures, measured
from expunge.studies.clue.nodes import ONE, found_in, moved, read, searching
from expunge.studies.clue.plan import training
from expunge.studies.clue.relearning import relearnt
from expunge.studies.clue.scene import Scene, scene_of
from expunge.studies.running import read_result, write_result
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import Point, Rule
from expunge.train.trained import Trained
from expunge.train.unlearn import train

LOOKED_AT_AGAIN = (CLUE, ALL)  # arms after which circuits are looked for again


def pilot(
    folder: Path, *, config: Mapping[str, Any], objective: str, arm: str, seed: int, circuits_folder: str
) -> None:
    """The job: every learning rate of one arm. None: the arm has nothing to train."""
    study, found = ClueStudyConfig.model_validate(config), read(Path(circuits_folder))
    scene: Scene | None = None
    losses = []
    for rate in study.rates:
        place = f"{rate:g}.json"
        if (result := read_result(folder, place)) is None:
            scene = scene or scene_of(study, seed)
            trace = run(scene, arm, training(study, objective, rate, seed), found, study)
            result = {"loss": trace.loss() if trace else None, "note": trace.note if trace else ""}
            write_result(folder, result, place)
        losses.append(result["loss"])
    write_result(folder, {"objective": objective, "arm": arm, "losses": losses})


def cell(
    folder: Path, *, config: Mapping[str, Any], granularity: str, objective: str, rates: Mapping[str, float],
    seed: int, circuits_folder: str,
) -> None:  # fmt: skip
    """The job: every arm of an objective on one model."""
    study, found = ClueStudyConfig.model_validate(config), read(Path(circuits_folder))
    scene: Scene | None = None
    results = {}
    for arm in arms(study):
        place = f"{slug(arm)}.json"
        if (result := read_result(folder, place)) is None:
            scene = scene or scene_of(study, seed)
            settings = training(study, objective, rates[tuned_as(arm)], seed)
            result = told(scene, arm, settings, found, study, granularity)
            write_result(folder, result, place)
        results[arm] = result
    write_result(folder, {"granularity": granularity, "objective": objective, "seed": seed, "arms": results})


@dataclass
class Trace:
    """The points of one arm over all its stages, with the weights at each of them."""

    scene: Scene
    rule: Rule
    schedule: Schedule
    points: list[Point] = field(default_factory=list)
    measures: list[Measures] = field(default_factory=list)
    weights: list[dict[str, Tensor]] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)  # as they were run
    note: str = ""
    _before: int = 0  # steps of the stages before
    _skips: bool = False  # a stage's start is the end of the one before

    def begin(self, steps: int) -> None:
        """A further stage starts."""
        self._before, self._skips = steps, bool(self.points)

    def watch(self, step: int) -> dict[str, float | None]:
        """What the loop is told at each point."""
        scene = self.scene
        levels: dict[str, float | None] = {
            "forget": scene.level(scene.sets.forget), "utility": scene.level(scene.chooses),
        }  # fmt: skip
        if step or not self._skips:
            self.points.append(Point(self._before + step, 0.0, **levels))  # type: ignore[arg-type]
            self.measures.append(measured(scene))
            self.weights.append({n: w.detach().clone() for n, w in parameters_of(scene.model).items()})
        return levels

    @property
    def kept(self) -> int:
        """The point that is nearest to never-known with the utility kept."""
        return self.rule.best(self.points)

    @property
    def holds(self) -> bool:
        """Whether the kept one keeps enough."""
        return self.rule.holds(self.points[self.kept], self.points[0])

    def loss(self) -> float:
        """Distance to never-known; above 1 where the utility is not kept."""
        start, best = self.points[0], self.points[self.kept]
        if not self.holds:
            return 1 + self.rule.floor - (best.utility or 0) / (start.utility or 1)
        return abs(best.forget - (self.rule.never_known or 0))

    def change(self) -> WeightChange:
        """From the start to the kept point. The model must be back at the start."""
        return WeightChange.between(parameters_of(self.scene.model), self.weights[self.kept])


def run(
    scene: Scene, arm: str, settings: TrainConfig, found: Mapping[str, Circuits], config: ClueStudyConfig
) -> Trace | None:  # fmt: skip
    """Unlearn by an arm's stages, each from what the one before kept; the model is put back to the bits it had.

    None where the arm has nothing to train. What diverges has the points until then.
    """
    plan = schedule(arm, scene, found, config)
    if plan is None:
        return None
    logs = lambda examples: mean_log_probs(scene.model, scene.encoder.encode_all(examples), budget=1024)
    known = never_known(scene.sets, logs)
    assert known is not None, "the world has twins"
    trace = Trace(scene, Rule(config.utility_floor, known.level), plan)
    since: Trained[WeightChange] | None = None
    with ExitStack() as stack:
        for stage in plan.stages:
            if stage.again:
                stage = _again(scene, stage, trace, found[ONE].granularity, config)
            if stage.mask is not None and not len(stage.mask):
                continue
            trace.stages.append(stage)
            trace.begin(since.steps if since else 0)
            since = _stage(scene, stage, settings, trace, since)
            if since is None:
                break
            stack.enter_context(since.change.applied_to(scene.model))
    return trace


def _stage(
    scene: Scene, stage: Stage, settings: TrainConfig, trace: Trace, since: Trained[WeightChange] | None
) -> Trained[WeightChange] | None:  # fmt: skip
    changes: dict[str, Any] = {"epochs": stage.epochs, **({} if stage.retain else {"retain_loss": None})}
    try:
        return train(
            scene.model, scene.sets, settings.model_copy(update=changes), convention=scene.suite.convention,
            mask=stage.mask, watch=trace.watch, since=since,
        )  # fmt: skip
    except DivergedError as error:
        trace.note = str(error)
        return None


def _again(scene: Scene, stage: Stage, trace: Trace, granularity: str, config: ClueStudyConfig) -> Stage:
    """The same stage on the conflict nodes of the model as stage 1 has left it."""
    try:
        found = found_in(scene, searching(config, granularity, scene.seed))
    except ConfigError as error:
        trace.note = f"no circuits between the stages ({error}): the first ones stay"
        return stage
    nodes = found.of("conflict")
    trace.schedule = replace(trace.schedule, nodes={**trace.schedule.nodes, "conflict": nodes})
    return replace(stage, mask=graph_of(scene.model, granularity).mask(scene.model, nodes))


def told(
    scene: Scene, arm: str, settings: TrainConfig, found: Mapping[str, Circuits], config: ClueStudyConfig,
    granularity: str,
) -> dict[str, Any]:  # fmt: skip
    """What an arm did."""
    began = time.process_time()
    trace = run(scene, arm, settings, found, config)
    if trace is None:
        return {"arm": arm, "absent": "there are no conflict nodes"}
    change = trace.change()
    total = sum(weight.numel() for weight in parameters_of(scene.model).values())
    masks = [stage.mask for stage in trace.stages]
    may = total if None in masks else _union(masks).weights()  # type: ignore[arg-type]
    result: dict[str, Any] = {
        "arm": arm, "rate": settings.learning_rate, "note": trace.note,
        "nodes": {name: list(some) for name, some in trace.schedule.nodes.items()},
        "stages": [{"epochs": s.epochs, "weights": total if s.mask is None else s.mask.weights()}
                   for s in trace.stages],
        "share": may / total, "changed": changed(scene, trace) / total, "norm": change.norm(),
        "never": trace.rule.never_known, "kept": trace.kept, "holds": trace.holds,
        "points": [{"step": p.step, "forget": p.forget, "utility": p.utility, "measures": m}
                   for p, m in zip(trace.points, trace.measures)],
    }  # fmt: skip
    with change.applied_to(scene.model):
        result["relearnt"] = relearnt(scene, config)
        if arm in LOOKED_AT_AGAIN:
            result["moved"] = _moved(scene, found[ONE], searching(config, granularity, scene.seed))
    return {**result, "processor_seconds": round(time.process_time() - began, 2)}


def changed(scene: Scene, trace: Trace) -> int:
    """Weights that are not the same at the kept point, bit for bit."""
    start = parameters_of(scene.model)
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
