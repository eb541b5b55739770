"""From results to comparisons: CLUE against every other arm, seed by seed, random draws averaged first.

distance   |forget level - never-known| at the kept point, as a share of the way from the start; at least 1 where no
           point keeps the utility
FE RU GU skill   at the kept point; "FE at the end" and so on after the last epoch, which is the paper's
FE, reworded     the same in another wording, that nothing was unlearnt in
ROUGE-L    recall of what it says of forget rows, and of retained ones
AUC        of forget rows against never-seen ones by their loss; its distance from 1/2 is what is compared
AUES       area under retained against forgotten strength over all points (`evaluate/aues.py`)
relearnt   level of the untaught half after relearning the other, minus that of its twins
unrelated  level of forget rows after training on retained ones, minus that of their twins; “gained” of both is what
           that is more than before the training
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.config import ClueStudyConfig
from expunge.evaluate.aues import Point, aues, point
from expunge.studies.clue.arms import CLUE, condition
from expunge.studies.clue.measures import numbers
from expunge.studies.clue.plan import cells, ratios_place
from expunge.studies.clue.scene import FORGET, REWORDED, TEST
from expunge.studies.clue.telling import mean_roc
from expunge.studies.compared import Compared, corrected, minus
from expunge.studies.results import read_result

THREE = ("FE", "RU", "GU")
ANEW, ROUGE_FORGET, ROUGE_RETAIN, APART = "FE, reworded", "ROUGE-L, forget", "ROUGE-L, retain", "AUC from 1/2"
TESTED = ("distance", "FE", ANEW, "RU", "GU", "AUES", "relearnt")
FURTHER = ("skill", ROUGE_FORGET, ROUGE_RETAIN, APART, "relearnt, gained", "unrelated")  # compared, too
Result = Mapping[str, Any]
Shares = Mapping[float, Sequence[Result]]  # share of the forget set → seed by seed: "rows", "arms"


@dataclass(frozen=True)
class Found:
    """The results of an objective at a granularity: seed → arm → what `unlearning.told` gave.

    `before`: seed → what the model was before; `sizes`: seed → weights of each node.
    """

    granularity: str
    objective: str
    seeds: Mapping[int, Mapping[str, Result]]
    before: Mapping[int, Result] = field(default_factory=dict)
    sizes: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    @property
    def conditions(self) -> list[str]:
        """The arms, random draws as one."""
        return list(dict.fromkeys(condition(arm) for results in self.seeds.values() for arm in results))

    def values(self, name: str, metric: str) -> dict[int, float]:
        """Seed → value of a condition, the mean of its draws; seeds without are left out."""
        found = {}
        for seed, results in self.seeds.items():
            runs = (r for arm, r in results.items() if condition(arm) == name and "absent" not in r)
            if draws := [value for run in runs if (value := value_of(run, metric)) is not None]:
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
        runs = [[numbers(p["measures"]) for p in result["points"]] for result in self.results(name)]
        shortest = min(map(len, runs), default=0)
        return [(fmean(r[i]["RU"] for r in runs), fmean(r[i]["FE"] for r in runs)) for i in range(shortest)]

    def roc(self, name: str) -> list[tuple[float, float]]:
        """The mean ROC curve of a condition over seeds and draws."""
        return mean_roc([result["membership"]["roc"] for result in self.results(name)])

    def roc_before(self) -> list[tuple[float, float]]:
        return mean_roc([each["membership"]["roc"] for each in self.before.values()])

    def overlap(self, name: str) -> list[float]:
        """Share of the weights of each run's nodes that CLUE trains, too."""
        found = []
        for seed, results in self.seeds.items():
            size = self.sizes[seed]
            ours = {node for nodes in results[CLUE]["nodes"].values() for node in nodes}
            for arm, result in results.items():
                theirs = [node for nodes in result.get("nodes", {}).values() for node in nodes]
                if condition(arm) == name and theirs:
                    shared = sum(size[node] for node in theirs if node in ours)
                    found.append(shared / sum(size[node] for node in theirs))
        return found

    def empty(self, which: str) -> int:
        """Seeds in which CLUE has no nodes of a class."""
        return sum(not results[CLUE]["nodes"][which] for results in self.seeds.values())


@dataclass(frozen=True)
class Comparison(Compared):
    """CLUE minus another arm. A family is all of a granularity, an objective and a metric."""

    granularity: str
    objective: str
    arm: str
    metric: str


def value_of(result: Result, metric: str) -> float | None:
    """A metric of one run; None where it has none."""
    points = result["points"]
    kept = points[result["kept"]]
    if metric == "distance":
        start, never = points[0]["forget"], result["never"]
        away = abs(kept["forget"] - never) / (start - never) if start > never else 1.0
        return away if result["holds"] else max(1.0, away)
    if metric == "AUES":
        return aues([_strengths(each["measures"]) for each in points])
    if metric == ANEW:
        return 1 - kept["measures"][REWORDED]["exact"] if REWORDED in kept["measures"] else None
    if metric in ("share", "changed"):
        return result[metric]
    if metric in _ASKED:
        return _ASKED[metric](result)
    name, end = metric.removesuffix(" at the end"), metric.endswith(" at the end")
    return numbers((points[-1] if end else kept)["measures"]).get(name)


# what is asked of a model at the kept point, and of one before anything was trained
_ASKED: Mapping[str, Callable[[Result], float | None]] = {
    ROUGE_FORGET: lambda r: r["said"]["forget"],
    ROUGE_RETAIN: lambda r: r["said"]["retain"],
    "AUC": lambda r: r["membership"]["auc"],
    APART: lambda r: abs(r["membership"]["auc"] - 0.5),
    "TPR at 1 % FPR": lambda r: r["membership"]["tpr"],
    "relearnt": lambda r: _above(r["relearnt"], "after"),
    "relearnt, gained": lambda r: _above(r["relearnt"], "after") - _above(r["relearnt"], "before"),
    "unrelated": lambda r: _above(r["unrelated"], "after"),
    "unrelated, gained": lambda r: _above(r["unrelated"], "after") - _above(r["unrelated"], "before"),
    "said after unrelated": lambda r: r["unrelated"]["said after"] - r["unrelated"]["twins said after"],
}


def _above(levels: Result, when: str) -> float:
    """Of what is asked above that of its twins."""
    return levels[when] - levels[f"twins {when}"]


def value_before(result: Result, metric: str) -> float | None:
    """The same of the model before, as far as it has it."""
    if metric == ANEW:
        return 1 - result["measures"][REWORDED]["exact"] if REWORDED in result["measures"] else None
    return _ASKED[metric](result) if metric in _ASKED else numbers(result["measures"]).get(metric)


def _strengths(measures: Result) -> Point:
    return point(measures[FORGET]["strength"], measures[TEST]["strength"])


def load(config: ClueStudyConfig, out: Path) -> list[Found]:
    """What has results, whole seeds only."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for granularity, objective, seed, place in cells(config):
        if (result := read_result(out / place)) is not None:
            found.setdefault((granularity, objective), {})[seed] = result
    return [
        Found(*key, *({seed: each[name] for seed, each in several.items()} for name in ("arms", "before", "sizes")))
        for key, several in found.items()
    ]


def load_shares(config: ClueStudyConfig, out: Path) -> Shares:
    """What is done of each share; the whole set is in the cells of the first granularity and objective."""
    whole = (config.granularities[0], config.objectives[0])
    found: dict[float, list[Result]] = {}
    for ratio in sorted(config.ratios):
        for granularity, objective, seed, place in cells(config):
            if (granularity, objective) != whole:
                continue
            result = read_result(out / (place if ratio == 1 else ratios_place(seed)))
            if result is not None:
                found.setdefault(ratio, []).append(result if ratio == 1 else result["ratios"][f"{ratio:g}"])
    return found


def compared(found: Sequence[Found], config: ClueStudyConfig, metric: str) -> list[Comparison]:
    """CLUE against each other arm, over the seeds in which both have a value."""
    several = [each for one in found for each in _against_clue(one, config, metric)]
    return corrected(several, lambda each: (each.granularity, each.objective))


def _against_clue(found: Found, config: ClueStudyConfig, metric: str) -> Iterator[Comparison]:
    ours = found.values(CLUE, metric)
    for name in found.conditions:
        result = None if name == CLUE else minus(ours, found.values(name, metric), config.margin)
        if result is not None:
            told = f"{found.granularity}, {found.objective}: {name}"
            yield Comparison(told, *result, found.granularity, found.objective, name, metric)
