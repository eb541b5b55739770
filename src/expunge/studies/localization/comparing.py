"""From results to comparisons: every region against Random, seed by seed, Random's draws averaged first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.config import LocalizationStudyConfig
from expunge.errors import ConfigError
from expunge.evaluate.aues import Point, aues_raw, common_range
from expunge.studies.compared import Compared, corrected, minus
from expunge.studies.localization.arms import Arm, arms
from expunge.studies.results import read_result

RANDOM = "Random"
UNITS = {
    "aues": "AUES", "aues_raw": "raw AUES", "mu95": "log10 p", "crossing": "log10 p", "relearnt": "FS", "rounded": "FS",
}  # fmt: skip
PROBED = {  # of a run's `further`: what it says at the end, under relearning and with rounded weights
    "before": ("relearnt", "before"), "after": ("relearnt", "after"), "FS at 4 bit": ("rounded", "FS"),
    "RS at 4 bit": ("rounded", "RS"),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The results of an arm: seed → region → what `unlearning.unlearnt` gave."""

    arm: Arm
    seeds: Mapping[int, Mapping[str, Mapping[str, Any]]]

    @property
    def conditions(self) -> list[str]:
        """The regions, Random's draws as one."""
        return list(dict.fromkeys(condition(name) for name in self.arm.regions))

    def values(self, name: str, metric: str) -> dict[int, float]:
        """Seed → value of a condition, the mean of its draws; seeds where any draw has none are left out."""
        found = {}
        for seed, regions in self.seeds.items():
            draws = [_value(regions, region, metric) for region in regions if condition(region) == name]
            if draws and all(draw is not None for draw in draws):
                found[seed] = fmean(draw for draw in draws if draw is not None)
        return found

    def curve(self, name: str) -> list[tuple[float, float]]:
        """(RS, FS) at each point, means over the seeds and draws that came as far."""
        runs = [r["points"] for regions in self.seeds.values() for n, r in regions.items() if condition(n) == name]
        means = []
        for i in range(max(map(len, runs), default=0)):
            there = [points[i] for points in runs if len(points) > i]
            means.append((fmean(p["RS"] for p in there), fmean(p["FS"] for p in there)))
        return means

    def diverged(self) -> list[str]:
        """The runs that broke off, and why."""
        return [
            f"{self.arm.objective}, {name}, seed {seed}, diverged after {len(r['points'])} points ({r['note']})."
            for seed, regions in self.seeds.items() for name, r in regions.items() if r.get("note")
        ]  # fmt: skip

    def reasons(self, name: str) -> list[str]:
        """Why there is no MU95, for the runs without."""
        return [
            r["mu95_absent"] for regions in self.seeds.values() for n, r in regions.items()
            if condition(n) == name and "mu95_absent" in r
        ]  # fmt: skip


@dataclass(frozen=True)
class Comparison(Compared):
    """A region minus Random. A family is all of a part and metric."""

    part: str
    objective: str
    region: str
    metric: str


def condition(region: str) -> str:
    """
    >>> condition("random 2"), condition("wagle")
    ('Random', 'wagle')
    """
    return RANDOM if region.startswith("random ") else region


def load(config: LocalizationStudyConfig, out: Path) -> list[Found]:
    """The arms that have results, whole seeds only."""
    found = []
    for arm in arms(config):
        results = {seed: read_result(arm.place(out, seed)) for seed in range(config.seeds)}
        seeds = {seed: result["regions"] for seed, result in results.items() if result is not None}
        if seeds:
            found.append(Found(arm, seeds))
    return found


def compared(found: Sequence[Found], config: LocalizationStudyConfig, metric: str) -> list[Comparison]:
    """Each region of each arm against Random, over the seeds in which both have a value."""
    several = [each for arm in found for each in _against_random(arm, config, metric)]
    return corrected(several, lambda each: each.part)


def _against_random(found: Found, config: LocalizationStudyConfig, metric: str) -> Iterator[Comparison]:
    base = found.values(RANDOM, metric)
    margin = config.quality_margin if UNITS[metric] == "log10 p" else config.margin
    for name in found.conditions:
        result = None if name == RANDOM else minus(found.values(name, metric), base, margin)
        if result is not None:
            told = f"{found.arm.part}, {found.arm.objective}: {name}"
            yield Comparison(told, *result, found.arm.part, found.arm.objective, name, metric)


def _value(regions: Mapping[str, Mapping[str, Any]], region: str, metric: str) -> float | None:
    result = regions[region]
    if metric == "aues_raw":
        return _raw(regions, region)
    if metric in ("mu95", "crossing"):
        return result.get("mu95", {}).get("best" if metric == "mu95" else "crossing")
    if metric in ("FS", "RS"):
        return result["points"][-1][metric]
    if "loss" in metric:
        return _loss(result["points"], *metric.split(", "))
    if metric in (*PROBED, "relearnt", "rounded"):
        return _probed(result, metric)
    return result.get(metric)


def _loss(points: Sequence[Mapping[str, float | None]], kind: str, when: str) -> float | None:
    """Of the first or the last point that has one."""
    measured = [value for point in points if (value := point.get(kind)) is not None]
    return measured[0 if when == "first" else -1] if measured else None


def _probed(result: Mapping[str, Any], metric: str) -> float | None:
    """A number of PROBED, or the FS that relearning or rounding adds: below 0 where what was forgotten comes back."""
    if (further := result.get("further")) is None:
        return None
    if metric == "relearnt":
        return further["relearnt"]["after"] - further["relearnt"]["before"]
    if metric == "rounded":
        return further["rounded"]["FS"] - result["points"][-1]["FS"]
    probe, name = PROBED[metric]
    return further[probe][name]


def _raw(regions: Mapping[str, Mapping[str, Any]], region: str) -> float | None:
    """Over the range of FS that all regions of the seed pass through. A run that diverged has none and limits none."""
    runs = {
        name: [Point(p["FS"], p["RS"]) for p in result["points"]]
        for name, result in regions.items() if not result.get("note")
    }  # fmt: skip
    if region not in runs:
        return None
    try:
        return aues_raw(runs[region], *common_range(list(runs.values())))
    except ConfigError:
        return None
