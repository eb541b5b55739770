"""The jobs that unlearn: every arm of a method on one model, watched form by form and bucket by bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from expunge.change import WeightChange
from expunge.config import FrequencyStudyConfig, TrainConfig
from expunge.errors import DivergedError
from expunge.runs.by_bucket import extrapolate_buckets
from expunge.runs.extrapolating import Scoring
from expunge.studies.frequency.arms import HIGH, LOW, UNIFORM, formed, training
from expunge.studies.frequency.measures import Columns, apart, columns_of, level, measures
from expunge.studies.frequency.scene import QUESTION, Scene, scene_of
from expunge.studies.people import BUDGET
from expunge.studies.results import read_result, write_result
from expunge.train.levels import mean_log_probs
from expunge.train.trained import Trained
from expunge.train.unlearn import train


def pilot(folder: Path, *, config: Mapping[str, Any], size: str, method: str, rate: float, seed: int) -> None:
    """The job: one learning rate of the uniform arm."""
    study = FrequencyStudyConfig.model_validate(config)
    scene = scene_of(study, size, seed, margin=False)
    result = unlearnt(scene.right(), study, training(study, method, rate, seed))
    write_result(folder, {"never": scene.never(), "arm": result})


def cell(
    folder: Path,
    *,
    config: Mapping[str, Any],
    size: str,
    method: str,
    rate: float,
    seed: int,
    forms: list[str],
    alone: bool,
) -> None:
    """The job: all arms of one method on one model. Each is kept while the others are not done."""
    study = FrequencyStudyConfig.model_validate(config)
    scene = scene_of(study, size, seed, margin="margin" in forms)
    arms: dict[str, Any] = {}
    for number, (name, own, values) in enumerate(
        _arms(scene, study, training(study, method, rate, seed), forms, alone=alone)
    ):
        place = f"arm-{number}.json"
        if (result := read_result(folder, place)) is None or result["name"] != name:
            result = {"name": name, **unlearnt(own, study, values)}
            write_result(folder, result, place)
        arms[name] = result
    found = [{"name": each.name, "n": len(each.rows), "least": each.least, "most": each.most} for each in scene.buckets]
    write_result(folder, {
        "size": size, "method": method, "seed": seed, "rate": rate, "buckets": found, "never": scene.never(),
        "choices": min(map(len, scene.groups[QUESTION])), "persons": _persons(scene), "arms": arms,
    })  # fmt: skip
    for part in folder.glob("arm-*.json"):  # only now: the result has all that they have
        part.unlink()


def _persons(scene: Scene) -> int:
    """Of whom the models were told; elsewhere it is as many groups of rows."""
    sets = scene.suite.sets
    return len({each.group or each.id for each in (*sets.forget, *sets.retain)})


def _arms(
    scene: Scene, study: FrequencyStudyConfig, usual: TrainConfig, forms: list[str], *, alone: bool
) -> Iterator[tuple[str, Scene, TrainConfig]]:
    """Name, scene and settings of each. Only the uniform arm is asked to tell right answers from wrong ones."""
    yield UNIFORM, scene, usual
    if alone and len(scene.buckets) > 1:
        for name, bucket in ((LOW, scene.buckets[0]), (HIGH, scene.buckets[-1])):
            yield name, scene.alone(bucket), usual
    for form in forms:
        yield form, scene.right(), formed(study, usual, form, scene.buckets, scene.values)


@dataclass
class Trace:
    """The points of one unlearning."""

    scene: Scene
    bf16: bool
    before: Mapping[str, Columns] = field(default_factory=dict)
    points: list[dict[str, Any]] = field(default_factory=list)

    def watch(self, step: int) -> dict[str, float | None]:
        """What the loop is told at each point: the level of the questions, and of the retained rows that choose."""
        point = self.look(step)
        return {"forget": point["forget"], "utility": point["utility"]}

    def look(self, step: int) -> dict[str, Any]:
        """Measure the model as it is, and keep the point."""
        scene = self.scene
        now = columns_of(scene.model, scene, bf16=self.bf16)
        self.before = self.before or now
        self.points.append({
            "step": step, "forget": level(now[QUESTION]), "utility": self._utility(),
            "measures": measures(scene, self.before, now), "apart": apart(self.before, now),
        })  # fmt: skip
        return self.points[-1]

    def _utility(self) -> float | None:
        """The level of the retained rows that choose; None where there is nothing to be chosen."""
        if not self.scene.selection:
            return None
        logs = mean_log_probs(self.scene.model, self.scene.selection, budget=BUDGET, bf16=self.bf16)
        return logs.exp().mean().item()


def unlearnt(scene: Scene, study: FrequencyStudyConfig, values: TrainConfig) -> dict[str, Any]:
    """Unlearn, watched; the model is put back to the bits it had. What diverges has the points until then."""
    trace, note = Trace(scene, study.precision == "bfloat16"), ""
    further, trained = {}, None
    try:
        trained = train(scene.model, scene.sets, values, convention=scene.suite.convention, watch=trace.watch)
    except DivergedError as error:
        note = str(error)
    points = list(trace.points)
    if trained is not None and values.extrapolate is not None:
        note = "; ".join(trained.notes)  # which buckets have no alpha
        further = _extrapolated(trace, study, trained, values) if trained.kept.step else {}
    turns = [(turn.step, len(turn.left), len(turn.returned)) for turn in trained.turns] if trained else []
    return {"points": points, "note": note, "turns": turns, **further}


def _extrapolated(
    trace: Trace, study: FrequencyStudyConfig, trained: Trained[WeightChange], values: TrainConfig
) -> dict[str, Any]:
    """The point at which the change is extrapolated bucket by bucket, and the α of each."""
    assert values.extrapolate is not None
    scene, scoring = trace.scene, Scoring(trace.scene.encoder, BUDGET, trace.bf16)
    sets = replace(scene.sets, retain=tuple(scene.choosing))  # an α is a choice, and rehearsed rows would not mind it
    change, infos = extrapolate_buckets(
        scene.model, sets, trained, values.extrapolate, scoring, floor=study.utility_floor, seed=values.seed
    )
    with change.applied_to(scene.model):
        point = trace.look(trained.kept.step)
    return {"further": {**point, "alphas": {info.bucket: info.alpha for info in infos}}}
