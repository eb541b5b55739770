"""From results to comparisons: CLUE against every other arm, seed by seed, random draws averaged first.

distance  |forget level - never-known| at the kept point, as a share of the way from the start
relearnt  level of the untaught half after relearning the other, minus that of its twins
AUES      area under retained against forgotten strength over all points (`evaluate/aues.py`)
FE RU GU  at the kept point; "FE at the end" and so on after the last epoch, which is the paper's
FE, as a statement  the same of a wording that was heard in training, but not unlearnt in
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.config import ClueStudyConfig
from expunge.evaluate.aues import Point, aues, point
from expunge.studies.clue.arms import CLUE, condition
from expunge.studies.clue.measures import three
from expunge.studies.clue.plan import cells
from expunge.studies.clue.scene import FORGET, STATEMENT, TEST
from expunge.studies.compared import Compared, corrected, minus
from expunge.studies.running import read_result

THREE = ("FE", "RU", "GU")
SAID = "FE, as a statement"
TESTED = ("distance", "FE", SAID, "RU", "GU", "AUES", "relearnt")
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """The results of an objective at a granularity: seed → arm → what `unlearning.told` gave."""

    granularity: str
    objective: str
    seeds: Mapping[int, Mapping[str, Result]]

    @property
    def conditions(self) -> list[str]:
        """The arms, random draws as one."""
        return list(dict.fromkeys(condition(arm) for results in self.seeds.values() for arm in results))

    def values(self, name: str, metric: str) -> dict[int, float]:
        """Seed → value of a condition, the mean of its draws; seeds without are left out."""
        found = {}
        for seed, results in self.seeds.items():
            draws = [value_of(r, metric) for arm, r in results.items() if condition(arm) == name and "absent" not in r]
            if draws:
                found[seed] = fmean(draws)
        return found

    def results(self, name: str) -> list[Result]:
        """Of every seed and draw."""
        return [
            result for results in self.seeds.values() for arm, result in results.items()
            if condition(arm) == name and "absent" not in result
        ]  # fmt: skip

    def curve(self, name: str) -> list[tuple[float, float]]:
        """(RU, FE) after each epoch, means over seeds and draws."""
        runs = [[three(p["measures"]) for p in result["points"]] for result in self.results(name)]
        shortest = min(map(len, runs), default=0)
        return [(fmean(r[i]["RU"] for r in runs), fmean(r[i]["FE"] for r in runs)) for i in range(shortest)]

    def overlap(self, name: str) -> list[float]:
        """Share of the nodes of each run that CLUE trains, too."""
        found = []
        for results in self.seeds.values():
            ours = {node for nodes in results[CLUE]["nodes"].values() for node in nodes}
            for arm, result in results.items():
                theirs = [node for nodes in result.get("nodes", {}).values() for node in nodes]
                if condition(arm) == name and theirs:
                    found.append(sum(node in ours for node in theirs) / len(theirs))
        return found

    def empty(self, which: str) -> int:
        """Seeds in which CLUE has no nodes of a class."""
        return sum(not results[CLUE]["nodes"][which] for results in self.seeds.values())


@dataclass(frozen=True)
class Comparison(Compared):
    """CLUE minus another arm. A family is all of a granularity and metric."""

    granularity: str
    objective: str
    arm: str
    metric: str


def value_of(result: Result, metric: str) -> float:
    """A metric of one run."""
    points = result["points"]
    kept = points[result["kept"]]
    if metric == "distance":
        start, never = points[0]["forget"], result["never"]
        return abs(kept["forget"] - never) / (start - never) if start > never else 1.0
    if metric == "relearnt":
        return result["relearnt"]["after"] - result["relearnt"]["twins after"]
    if metric == "AUES":
        return aues([_strengths(each["measures"]) for each in points])
    if metric == SAID:
        return 1 - kept["measures"][STATEMENT]["exact"]
    if metric in ("share", "changed"):
        return result[metric]
    name, end = metric.removesuffix(" at the end"), metric.endswith(" at the end")
    return three((points[-1] if end else kept)["measures"])[name]


def _strengths(measures: Result) -> Point:
    return point(measures[FORGET]["strength"], measures[TEST]["strength"])


def load(config: ClueStudyConfig, out: Path) -> list[Found]:
    """What has results, whole seeds only."""
    seeds: dict[tuple[str, str], dict[int, Any]] = {}
    for granularity, objective, seed, place in cells(config):
        if (result := read_result(out / place)) is not None:
            seeds.setdefault((granularity, objective), {})[seed] = result["arms"]
    return [Found(*key, several) for key, several in seeds.items()]


def compared(found: Sequence[Found], config: ClueStudyConfig, metric: str) -> list[Comparison]:
    """CLUE against each other arm, over the seeds in which both have a value."""
    several = [each for one in found for each in _against_clue(one, config, metric)]
    return corrected(several, lambda each: each.granularity)


def _against_clue(found: Found, config: ClueStudyConfig, metric: str) -> Iterator[Comparison]:
    ours = found.values(CLUE, metric)
    for name in found.conditions:
        result = None if name == CLUE else minus(ours, found.values(name, metric), config.margin)
        if result is not None:
            told = f"{found.granularity}, {found.objective}: {name}"
            yield Comparison(told, *result, found.granularity, found.objective, name, metric)
