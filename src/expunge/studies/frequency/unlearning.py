"""The jobs that unlearn: every arm of a method on one model, watched form by form and bucket by bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expunge.change import WeightChange
from expunge.config import FrequencyStudyConfig, TrainConfig
from expunge.data.example import Sets
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
    result = unlearnt(scene, study, scene.sets, training(study, method, rate, seed))
    write_result(folder, {"never": scene.never(), "arm": result})


def cell(
    folder: Path, *, config: Mapping[str, Any], size: str, method: str, rate: float, seed: int, forms: list[str]
) -> None:
    """The job: all arms of one method on one model. Each is kept when it is done."""
    study = FrequencyStudyConfig.model_validate(config)
    scene = scene_of(study, size, seed, margin="margin" in forms)
    arms: dict[str, Any] = {}
    for number, (name, sets, values) in enumerate(_arms(scene, study, training(study, method, rate, seed), forms)):
        place = f"arm-{number}.json"
        if (result := read_result(folder, place)) is None or result["name"] != name:
            result = {"name": name, **unlearnt(scene, study, sets, values)}
            write_result(folder, result, place)
        arms[name] = result
    found = [{"name": each.name, "n": len(each.rows), "least": each.least, "most": each.most} for each in scene.buckets]
    write_result(folder, {
        "size": size, "method": method, "seed": seed, "rate": rate, "buckets": found, "never": scene.never(),
        "arms": arms,
    })  # fmt: skip


def _arms(
    scene: Scene, study: FrequencyStudyConfig, usual: TrainConfig, forms: list[str]
) -> Iterator[tuple[str, Sets, TrainConfig]]:
    """Name, sets and settings of each."""
    yield UNIFORM, scene.sets, usual
    if study.alone and len(scene.buckets) > 1:
        for name, bucket in ((LOW, scene.buckets[0]), (HIGH, scene.buckets[-1])):
            yield name, scene.only(bucket), usual
    for form in forms:
        yield form, scene.sets, formed(study, usual, form, scene.buckets, scene.values)


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
        chosen = mean_log_probs(
            scene.model, scene.encoder.encode_all(scene.selection), budget=BUDGET, bf16=self.bf16
        )  # fmt: skip
        self.points.append({
            "step": step, "forget": level(now[QUESTION]), "utility": chosen.exp().mean().item(),
            "measures": measures(scene, self.before, now), "apart": apart(self.before, now),
        })  # fmt: skip
        return self.points[-1]


def unlearnt(scene: Scene, study: FrequencyStudyConfig, sets: Sets, values: TrainConfig) -> dict[str, Any]:
    """Unlearn, watched; the model is put back to the bits it had. What diverges has the points until then."""
    trace, note = Trace(scene, study.precision == "bfloat16"), ""
    further, trained = {}, None
    try:
        trained = train(scene.model, sets, values, convention=scene.suite.convention, watch=trace.watch)
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
    change, infos = extrapolate_buckets(
        scene.model, scene.sets, trained, values.extrapolate, scoring, floor=study.utility_floor, seed=values.seed
    )
    with change.applied_to(scene.model):
        point = trace.look(trained.kept.step)
    return {"further": {**point, "alphas": {info.bucket: info.alpha for info in infos}}}
