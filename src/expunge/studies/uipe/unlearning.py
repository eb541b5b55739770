"""The jobs that unlearn: the trajectory, the curve over α from two checkpoints, the selectors, and the controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.arithmetic.alpha.curve import Point as LinePoint
from expunge.arithmetic.alpha.margin import margin
from expunge.arithmetic.line import Direction, Line
from expunge.change import WeightChange
from expunge.config import TrainConfig, UipeStudyConfig
from expunge.data.example import Example
from expunge.errors import DivergedError
from expunge.parameters import parameters_of
from expunge.runs.extrapolating import Scoring, direction_of, extrapolate
from expunge.studies.people import BUDGET
from expunge.studies.results import write_result
from expunge.studies.uipe.measures import Measures, measured
from expunge.studies.uipe.plan import extrapolation, training
from expunge.studies.uipe.promise import AT, promised
from expunge.studies.uipe.scene import RELATED, UNRELATED, Scene, scene_of
from expunge.train.early import Early
from expunge.train.levels import mean_log_probs
from expunge.train.selection import Point, Rule, halves
from expunge.train.unlearn import train

FASTER = 2.0  # times the rate, for as many steps: the control of a larger learning rate
RANDOM_AT = (0.5, 1.0)  # α of the random directions


def pilot(folder: Path, *, config: Mapping[str, Any], size: str, method: str, rate: float, seed: int) -> None:
    """The job: one learning rate."""
    study = UipeStudyConfig.model_validate(config)
    scene = replace(scene_of(study, size, seed), groups={}, wrong={})  # a rate is chosen by the levels alone
    known = scene.never()["level"]
    trace = unlearnt(scene, study, training(study, method, rate, seed))
    rule = Rule(study.utility_floor, known)
    start, best = trace.points[0], trace.points[rule.best(trace.points)]
    missing = 0.0 if rule.holds(best, start) else 1 + study.utility_floor - (best.utility or 0) / (start.utility or 1)
    write_result(folder, {"loss": missing or abs(best.forget - known), "step": best.step, "note": trace.note})


def cell(folder: Path, *, config: Mapping[str, Any], size: str, method: str, rate: float, seed: int) -> None:
    """The job: one method on one model."""
    study = UipeStudyConfig.model_validate(config)
    scene = scene_of(study, size, seed)
    values = training(study, method, rate, seed)
    never = scene.never()
    rules = {
        "half": Early(study.utility_floor, never["level"], remaining=0.5),
        "early": Early(study.utility_floor, never["level"]),
        "kept": Rule(study.utility_floor, never["level"]),
    }
    trace = unlearnt(scene, study, values, tuple(rules.values()))
    kept = {name: rule.best(trace.points) for name, rule in rules.items()}
    if not all(kept.values()):  # it went astray before the first point: there is no change
        write_result(folder, {"size": size, "method": method, "seed": seed, "rate": rate, "note": trace.note})
        return
    changes = {index: trace.change(index) for index in set(kept.values())}
    curves = {
        index: curve(scene, study, Line(change), study.alphas, known={0.0: trace.measures[index]})
        for index, change in changes.items()
    }
    early = changes[kept["early"]]
    write_result(folder, {
        "size": size, "method": method, "seed": seed, "rate": rate, "never": never, "note": trace.note,
        "trajectory": trace.as_json(),
        "from": {
            name: {"step": trace.points[index].step, "norm": changes[index].norm(), "curve": curves[index]}
            for name, index in kept.items()
        },
        "selectors": selected(scene, study, early, seed),
        "promise": promise(scene, study, early, seed, never["level"]),
        "random": random_directions(scene, study, early, seed),
        "faster": faster(scene, study, values, trace.points[kept["early"]].step),
    })  # fmt: skip


@dataclass
class Trace:
    """The points of one unlearning, with the weights of those that rules would keep."""

    scene: Scene
    bf16: bool
    seed: int
    floor: float
    rules: tuple[Rule, ...] = ()
    points: list[Point] = field(default_factory=list)
    measures: list[Measures] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)  # of what changed since the start
    weights: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    note: str = ""
    first: Tensor | None = None  # levels of the retained rows that choose, at the start

    def watch(self, step: int) -> dict[str, float | None]:
        """What the loop is told at each point: levels of the whole forget set and of the selection half."""
        scene = self.scene
        chosen = halves(scene.sets.retain, self.seed)[0]
        forget, kept = (levels(scene, rows, bf16=self.bf16) for rows in (scene.sets.forget, chosen))
        if self.first is None:
            self.first = kept
        needed = margin(kept, self.first, self.floor, [example.group or example.id for example in chosen])
        self.points.append(Point(step, 0.0, forget.mean().item(), kept.mean().item(), margin=needed))
        self.measures.append(_measured(scene, bf16=self.bf16))
        here, number = {n: w.detach() for n, w in parameters_of(scene.model).items()}, len(self.points) - 1
        self.norms.append(_distance(here, self.weights[0]) if self.weights else 0.0)
        held = {0, *(rule.best(self.points) for rule in self.rules)}  # no rule asks for a dropped point again
        self.weights = {i: w for i, w in self.weights.items() if i in held}
        if number in held:
            self.weights[number] = {name: weight.clone() for name, weight in here.items()}
        return {"forget": self.points[-1].forget, "utility": self.points[-1].utility}

    def change(self, index: int) -> WeightChange:
        """From the start to a point. The model must be back at the start."""
        return WeightChange.between(parameters_of(self.scene.model), self.weights[index])

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "step": point.step, "forget": point.forget, "utility": point.utility, "margin": point.margin,
                "measures": measures, "norm": norm,
            }
            for point, measures, norm in zip(self.points, self.measures, self.norms)
        ]  # fmt: skip


def unlearnt(
    scene: Scene, config: UipeStudyConfig, values: TrainConfig, rules: tuple[Rule, ...] = ()
) -> Trace:  # fmt: skip
    """Unlearn, watched; the model is put back to the bits it had. What diverges has the points until then."""
    trace = Trace(scene, config.precision == "bfloat16", values.seed, config.utility_floor, rules)
    try:
        train(scene.model, scene.sets, values, convention=scene.suite.convention, watch=trace.watch)
    except DivergedError as error:
        trace.note = str(error)
    return trace


def curve(
    scene: Scene, config: UipeStudyConfig, line: Line, alphas: tuple[float, ...], known: Mapping[float, Measures] = {}
) -> list[dict[str, Any]]:
    """What is measured along a line. `known`: where it was measured before."""
    found = []
    with line.on(scene.model) as move:
        for alpha in alphas:
            if (measures := known.get(alpha)) is None:
                move(alpha)
                measures = _measured(scene, bf16=config.precision == "bfloat16")
            found.append({"alpha": alpha, "measures": measures})
    return found


def selected(scene: Scene, config: UipeStudyConfig, change: WeightChange, seed: int) -> dict[str, dict[str, Any]]:
    """What each selector chooses, why, and what the model is then. Along the change itself the points are measured once
    for all of those that look at the forget set and the utility alone."""
    scoring = Scoring(scene.encoder, BUDGET, config.precision == "bfloat16")
    related, unrelated = (scene.groups.get(name, ()) for name in (RELATED, UNRELATED))
    shared: dict[tuple[int | None, int], dict[float, LinePoint]] = {}
    chosen: dict[str, dict[str, Any]] = {}
    for text in config.selectors:
        settings = extrapolation(text)
        gap = settings.selector == "gap"
        if gap and not related:
            chosen[text] = {}
            continue
        alike = direction_of(settings) == "whole" and not gap
        known = shared.setdefault((settings.examples, settings.seed), {}) if alike else None
        found = extrapolate(
            scene.model, scene.sets, change, settings, scoring, floor=config.utility_floor, seed=seed,
            related=related if gap else (), unrelated=unrelated, known=known,
        )  # fmt: skip
        with found.change.applied_to(scene.model):
            measures = _measured(scene, bf16=scoring.bf16)
        info = found.info
        chosen[text] = {
            "alpha": info.alpha, "why": info.why, "holds": info.holds, "overshoots": info.overshoots,
            "tested": info.tested, "points": len(info.curve), "measures": measures,
        }  # fmt: skip
    return chosen


def promise(scene: Scene, config: UipeStudyConfig, change: WeightChange, seed: int, never: float) -> dict[str, Any]:
    """How often the rule of “nearest” holds the floor on the other half, over many cuts."""
    rows, bf16 = scene.sets.retain, config.precision == "bfloat16"
    start, kept, forget = levels(scene, rows, bf16=bf16), [], []
    with Line(change).on(scene.model) as move:
        for alpha in AT:
            move(alpha)
            kept.append(levels(scene, rows, bf16=bf16))
            forget.append(levels(scene, scene.sets.forget, bf16=bf16).mean())
    groups = [example.group or example.id for example in rows]
    return promised(torch.stack(kept), start, torch.stack(forget), never, groups, config.utility_floor, seed)


def random_directions(scene: Scene, config: UipeStudyConfig, change: WeightChange, seed: int) -> list[dict[str, Any]]:
    """θ_un + α · r with ‖r_t‖ = ‖v_t‖ for each tensor: how much of an effect is that of moving at all."""
    return [
        {"draw": draw, "curve": curve(scene, config, Line(change, random_direction(1000 * seed + draw)), RANDOM_AT)}
        for draw in range(config.draws)
    ]


def random_direction(seed: int) -> Direction:
    """A normal draw for each tensor, by its name and the seed, as long as v."""

    def direction(name: str, v: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(hash_of(name) ^ seed)
        drawn = torch.randn(v.shape, generator=generator)
        return drawn * (v.norm() / drawn.norm())

    return direction


def hash_of(name: str) -> int:
    """The same on every machine."""
    from hashlib import sha256

    return int.from_bytes(sha256(name.encode()).digest()[:6], "little")


def faster(scene: Scene, config: UipeStudyConfig, values: TrainConfig, steps: int) -> dict[str, Any]:
    """A larger learning rate for as many steps as the early checkpoint has."""
    further = values.model_copy(update={
        "learning_rate": FASTER * values.learning_rate, "max_steps": steps, "eval_every": steps,
    })  # fmt: skip
    trace = unlearnt(scene, config, further)
    return {"steps": steps, "measures": trace.measures[-1], "norm": trace.norms[-1], "note": trace.note}


def levels(scene: Scene, examples: Sequence[Example], *, bf16: bool) -> Float[Tensor, " rows"]:
    """Answer probability per token of each, as the model is now."""
    return mean_log_probs(scene.model, scene.encoder.encode_all(examples), budget=BUDGET, bf16=bf16).exp()


def _measured(scene: Scene, *, bf16: bool) -> Measures:
    return measured(scene.model, scene.groups, scene.encoder, wrong=scene.wrong, bf16=bf16)


def _distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    return sum(float((one[name].double() - other[name].double()).square().sum()) for name in one) ** 0.5
