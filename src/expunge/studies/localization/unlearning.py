"""The jobs that unlearn: one target within several regions, under settings that are the same for all of them.

A result is written for each region as soon as it is there, so a job that was killed goes on with the next.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expunge.bench.cells import slug
from expunge.config import LocalizationStudyConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError, DivergedError
from expunge.evaluate.aues import Point, aues
from expunge.evaluate.forget_quality import forget_quality
from expunge.evaluate.mu95 import mu95
from expunge.localize.overlap import overlap
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.studies.localization.arms import ALL, LARGEST, ORACLE, Arm, Target
from expunge.studies.localization.measures import Measures
from expunge.studies.localization.plan import training
from expunge.studies.localization.probing import relearnt, rounded
from expunge.studies.localization.regions import largest_changes, mask_of
from expunge.studies.localization.target import original, region, retrained, suite_of
from expunge.studies.results import read_result, write_result
from expunge.suites import Suite
from expunge.train.selection import Point as Losses
from expunge.train.unlearn import train

SHARE = 0.95  # of the utility, at which forget quality is read


@dataclass(frozen=True)
class Scene:
    """A target, loaded, with what is measured on it."""

    config: LocalizationStudyConfig
    target: Target
    seed: int
    suite: Suite
    model: Model
    encoder: Encoder
    measures: Measures
    known: Mask | None
    start: Mapping[str, Any]  # the target's own result
    never: Model | None = None  # θ_r, where a loss or a probe needs it

    @staticmethod
    def of(config: LocalizationStudyConfig, target: Target, folder: Path, seed: int, *, never: bool) -> "Scene":
        suite, start = suite_of(config, target, seed), read_result(folder)
        assert start is not None
        model = original(config, target, folder, seed)
        encoder = Encoder(model.tokenizer, suite.convention)
        gold = retrained(config, target, folder, seed) if never or target.kind == "injected" else None
        known = region(folder) if target.kind == "planted" else None
        if target.kind == "injected":
            assert gold is not None
            known = largest_changes(model, gold, target)
        return Scene(config, target, seed, suite, model, encoder, Measures.of(suite, encoder, config, seed), known,
                     start, gold)  # fmt: skip


def pilot(
    folder: Path, *, config: Mapping[str, Any], target: Mapping[str, Any], seed: int, objective: str, rate: float,
    region: str, target_folder: str,
) -> None:  # fmt: skip
    """The job: one region with one learning rate."""
    study = LocalizationStudyConfig.model_validate(config)
    scene = Scene.of(study, Target(**target), Path(target_folder), seed, never=objective == "mlp_regression")
    write_result(folder, unlearnt(scene, region, training(study, objective, rate, seed), quality=False))


def regions(
    folder: Path, *, config: Mapping[str, Any], arm: Mapping[str, Any], seed: int, rate: float,
    whole_rate: float | None, target_folder: str,
) -> None:  # fmt: skip
    """The job: every region of an arm."""
    study, which = LocalizationStudyConfig.model_validate(config), Arm.from_json(arm)
    scene: Scene | None = None
    found = {}
    for name in which.regions:
        place = f"{slug(name)}.json"
        if (result := read_result(folder, place)) is None:
            needs = which.objective == "mlp_regression"
            scene = scene or Scene.of(study, which.target, Path(target_folder), seed, never=needs)
            settings = training(study, which.objective, (whole_rate if name == ALL else rate) or rate, seed)
            result = unlearnt(scene, name, settings, quality=study.utility, further=which.further)
            write_result(folder, result, place)
        found[name] = result
    write_result(folder, {"part": which.part, "objective": which.objective, "seed": seed, "regions": found})


def unlearnt(scene: Scene, name: str, settings: TrainConfig, *, quality: bool, further: bool = False) -> dict[str, Any]:
    """Unlearn within a region and say how it went. The model is put back to the bits it had."""
    began = time.monotonic()
    mask = mask_of(name, scene.model, scene.target, scene.suite, scene.encoder, scene.seed, scene.known)
    told = name in (ALL, ORACLE, LARGEST)  # what was given its region has found nothing
    found = time.monotonic()
    curve = _Curve(scene, mask, keeps=quality or further)
    note, losses = "", ()
    try:
        losses = train(
            scene.model, scene.suite.sets, settings, convention=scene.suite.convention,
            mask=mask, retrained=scene.never, watch=curve.watch,
        ).points  # fmt: skip
    except DivergedError as error:
        note, losses = str(error), error.trained.points if error.trained else ()
    trained = time.monotonic()
    result: dict[str, Any] = {
        "region": name, "rate": settings.learning_rate, "points": _points(curve.points, losses),
        "aues": aues(curve.points), "steps": settings.eval_every, "note": note,
        "weights": mask.weights(),
        **({} if told or scene.known is None else overlap(mask, scene.known)),
        "seconds": {"localizing": round(found - began, 2), "unlearning": round(trained - found, 2)},
    }  # fmt: skip
    if quality:
        result |= curve.quality(note)
    if further:
        result["further"] = curve.further()
    return result


def _points(found: Sequence[Point], losses: Sequence[Losses]) -> list[dict[str, float | None]]:
    """FS and RS, and the mean losses of the steps since the point before; the start has none."""
    said = [{"loss": each.loss, "retain_loss": each.retain_loss} for each in losses] or [{}] * len(found)
    return [{**p._asdict(), **more} for p, more in zip(found, said, strict=True)]


class _Curve:
    """The points of one unlearning, and the weights at each of them, so that dear measures need few."""

    def __init__(self, scene: Scene, mask: Mask, *, keeps: bool) -> None:
        self.scene, self.keeps = scene, keeps
        weights = parameters_of(scene.model)
        self.weights: dict[str, Tensor] = {name: weights[name] for name in mask}
        self.points: list[Point] = []
        self.kept: list[dict[str, Tensor]] = []

    def watch(self, step: int) -> dict[str, float | None]:
        """What the loop is told at each point."""
        del step
        found = self.scene.measures.strength(self.scene.model)
        self.points.append(found)
        if self.keeps:
            self.kept.append({name: weight.detach().clone() for name, weight in self.weights.items()})
        return {"forget": 1 - found.FS, "utility": found.RS}

    def at(self, number: int) -> None:
        """Put the weights of a point into the model."""
        with torch.no_grad():
            for name, value in self.kept[number].items():
                self.weights[name].copy_(value)

    def quality(self, note: str = "") -> dict[str, Any]:
        """MU at every point; FQ where MU is at least 95 % of the start's, and on the far side of the first crossing.

        Utility may come back after a dip, so the best FQ can lie behind one. `note` says why a run broke off.
        """
        utility = [self.scene.start["target"]["MU"]]
        for number in range(1, len(self.points)):
            self.at(number)
            utility.append(self.scene.measures.utility(self.scene.model))
        floor = SHARE * utility[0]
        below = [number for number, value in enumerate(utility) if value < floor]
        wanted = [number for number in range(len(utility)) if number not in below[1:]]
        log_p = {number: self._log_p(number) for number in wanted}
        self.at(0)
        result: dict[str, Any] = {
            "quality": [
                {"point": number, "MU": value, **({"log10_p": log_p[number]} if number in log_p else {})}
                for number, value in enumerate(utility)
            ]
        }
        try:
            best = mu95([utility[number] for number in wanted], list(log_p.values()), share=SHARE)
            result["mu95"] = {"best": best.best, "crossing": best.crossing}
        except ConfigError as error:
            result["mu95_absent"] = "the run diverged" if note else str(error)
        return result

    def _log_p(self, number: int) -> float:
        self.at(number)
        values = self.scene.measures.truth_ratios(self.scene.model)
        return forget_quality(values, self.scene.start["truth_ratios"]).log10_p

    def further(self) -> dict[str, Any]:
        """What the last point still knows after relearning and after rounding."""
        self.at(len(self.kept) - 1)
        scene = self.scene
        result = {
            "relearnt": relearnt(scene.model, scene.measures, scene.suite, scene.seed),
            "rounded": rounded(scene.model, scene.measures),
        }
        self.at(0)
        return result
