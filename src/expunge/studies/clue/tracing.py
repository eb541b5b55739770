"""One arm's unlearning: its stages one after the other, watched, and a model that ends as it was."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from expunge.change import WeightChange
from expunge.circuits.graph import graph_of
from expunge.config import ClueStudyConfig, TrainConfig
from expunge.errors import ConfigError, DivergedError
from expunge.parameters import parameters_of
from expunge.studies.clue.arms import Schedule, Stage
from expunge.studies.clue.measures import EACH, Measures, measured
from expunge.studies.clue.nodes import found_in, searching
from expunge.studies.clue.scene import Scene
from expunge.train.selection import Point, Rule
from expunge.train.trained import Trained
from expunge.train.unlearn import train

Levels = dict[str, float | None]


@dataclass(frozen=True)
class Start:
    """The model before anything is trained: the same for every arm, and measured once."""

    levels: Levels
    measures: Measures
    watched: Collection[str]  # groups that are measured at each point

    @classmethod
    def of(cls, scene: Scene, *, measures: bool = True) -> "Start":
        """The model must be at its start. Without measures there are levels only, by which a rate is chosen."""
        found = measured(scene) if measures else {}
        return cls(levels_of(scene), found, EACH if measures else ())


def levels_of(scene: Scene) -> Levels:
    """By which a point is chosen."""
    return {"forget": scene.level(scene.sets.forget), "utility": scene.level(scene.chooses)}


@dataclass
class Trace:
    """The points of one arm over all its stages, with the weights at the kept and at the last of them."""

    scene: Scene
    rule: Rule
    schedule: Schedule
    start: Start
    points: list[Point] = field(default_factory=list)
    measures: list[Measures] = field(default_factory=list)
    weights: dict[int, dict[str, Tensor]] = field(default_factory=dict)  # all points' would be several models
    stages: list[Stage] = field(default_factory=list)  # as they were run
    note: str = ""
    _since: Trained[WeightChange] | None = None
    _before: int = 0  # steps of the stages before

    def begin(self, stage: Stage, since: Trained[WeightChange] | None) -> None:
        """A stage starts, from what the one before has kept."""
        self.stages.append(stage)
        self._since = since
        self._before += since.steps if since else 0

    def watch(self, step: int) -> Levels:
        """What the loop is told at each point. A stage's start is known: it is the end of the one before."""
        if not step and self._since is not None:
            return {"forget": self._since.kept.forget, "utility": self._since.kept.utility}
        if not step:
            return self._keep(0, self.start.levels, dict(self.start.measures))
        return self._keep(self._before + step, levels_of(self.scene), measured(self.scene, self.start.watched))

    def _keep(self, step: int, levels: Levels, measures: Measures) -> Levels:
        self.points.append(Point(step, 0.0, **levels))  # type: ignore[arg-type]
        self.measures.append(measures)
        kept, last = self.kept, len(self.points) - 1
        self.weights = {number: each for number, each in self.weights.items() if number == kept}
        self.weights[last] = {n: w.detach().clone() for n, w in parameters_of(self.scene.model).items()}
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

    def change(self, number: int | None = None) -> WeightChange:
        """From the start to a point, the kept one by default. The model must be back at the start."""
        number = self.kept if number is None else number
        return WeightChange.between(parameters_of(self.scene.model), self.weights[number])

    def complete(self) -> None:
        """Measure all groups at the kept and at the last point. The model must be back at the start."""
        for number in {self.kept, len(self.points) - 1} - {0}:
            rest = [title for title in self.scene.groups if title not in self.measures[number]]
            with self.change(number).applied_to(self.scene.model):
                self.measures[number] |= measured(self.scene, rest)


def run(
    scene: Scene, plan: Schedule, settings: TrainConfig, config: ClueStudyConfig, granularity: str, start: Start
) -> Trace:
    """Unlearn by an arm's stages, each from what the one before kept; the model is put back to the bits it had.

    What diverges has the points until then.
    """
    trace = Trace(scene, Rule(config.utility_floor, scene.never), plan, start)
    since: Trained[WeightChange] | None = None
    with ExitStack() as stack:
        for stage in plan.stages:
            if stage.again:
                stage = _again(scene, stage, plan.stages[0], trace, granularity, config)
            if stage.mask is not None and not len(stage.mask):
                continue
            trace.begin(stage, since)
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


def _again(scene: Scene, stage: Stage, before: Stage, trace: Trace, granularity: str, config: ClueStudyConfig) -> Stage:
    """The same stage on the conflict nodes of the model as stage 1 has left it; without any, stage 1 goes on."""
    try:
        found = found_in(scene, searching(config, granularity, scene.seed))
    except ConfigError as error:
        trace.note = f"no circuits between the stages ({error}): the first ones stay"
        return stage
    nodes = found.of("conflict")
    trace.schedule = replace(trace.schedule, nodes={**trace.schedule.nodes, "conflict": nodes})
    if not nodes:
        trace.note = "no node is in conflict after stage 1, which goes on"
        return replace(before, epochs=stage.epochs)
    return replace(stage, mask=graph_of(scene.model, granularity).mask(scene.model, nodes))
