"""From results to comparisons, seed by seed: editors against training, merged against none, what comes back.

    selectivity = share of neighbours answered as before - share of the facts still said        asked and reworded alike

1 is a model that lost the facts and nothing else; one that lost everything and one that lost nothing are near 0. It was
chosen before anything was run; what it is made of stands in the tables beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.config import EditingStudyConfig
from expunge.studies.compared import Compared, corrected, minus
from expunge.studies.editing.arms import arms, cells, home, is_editor
from expunge.studies.editing.plan import control_place
from expunge.studies.editing.scene import FORGET, NEIGHBOURS, REWORDED
from expunge.studies.results import read_result

Result = Mapping[str, Any]
BySeed = Mapping[int, Result]
SELECTIVITY = "selectivity"
PLAIN, WITHOUT = "rome", "rome:covariance=false"  # with and without the statistics of the corpus


@dataclass(frozen=True)
class Failed:
    """An arm that could not be run in a seed."""

    knowledge: str
    part: str
    count: int
    label: str
    seed: int
    why: str


@dataclass(frozen=True)
class Results:
    """All that is done so far."""

    config: EditingStudyConfig
    arms: Mapping[tuple[str, str, int, str], BySeed]  # knowledge, part, facts, label → seed → result
    controls: Mapping[str, BySeed]  # knowledge → seed → "unedited", "never"
    failed: Sequence["Failed"] = ()

    def of(self, knowledge: str, part: str, count: int, label: str) -> BySeed:
        """An arm, without the seeds in which it could not be run."""
        return self.arms.get((knowledge, part, count, label), {})

    def labels(self, part: str, count: int) -> list[str]:
        return [arm.label for arm in arms(self.config, part, count)]

    def counts(self, knowledge: str, part: str) -> list[int]:
        """Numbers of facts of a part that have results, in order."""
        return sorted({count for k, p, count, _ in self.arms if (k, p) == (knowledge, part)})

    @property
    def seeds(self) -> int:
        return max((len(each) for each in self.arms.values()), default=0)


@dataclass(frozen=True)
class Comparison(Compared):
    """One condition minus another in one measure."""

    measure: str


def load(config: EditingStudyConfig, out: Path) -> Results:
    """Whatever results there are, arm by arm; what two parts have in common lies where it was run."""
    found: dict[tuple[str, str, int, str], dict[int, Result]] = {}
    failed: list[Failed] = []
    for cell in cells(config):
        for arm in arms(config, cell.part, cell.count):
            place, same = home(config, cell, arm)
            what = (cell.knowledge, cell.part, cell.count, arm.label)
            if (result := read_result(out / place.place, same.file)) is not None:
                found.setdefault(what, {})[cell.seed] = result
            elif place == cell and (note := read_result(out / cell.place, arm.failure)) is not None:
                failed.append(Failed(*what, cell.seed, note["failed"]))
    controls: dict[str, dict[int, Result]] = {}
    for knowledge in config.knowledge:
        for seed in range(config.seeds):
            if (result := read_result(out / control_place(knowledge, seed))) is not None:
                controls.setdefault(knowledge, {})[seed] = result
    return Results(config, found, controls, failed)


def value(result: Result, group: str, measure: str) -> float | None:
    """
    >>> value({"measures": {"asked": {"said": 0.5}}}, "asked", "said")
    0.5
    """
    return result.get("measures", {}).get(group, {}).get(measure)


def selectivity(result: Result) -> float | None:
    """
    >>> rows = {"asked": {"said": 0.0}, "reworded": {"said": 0.5}, "neighbours": {"kept": 0.75}}
    >>> selectivity({"measures": rows})
    0.5
    """
    said = [v for group in (FORGET, REWORDED) if (v := value(result, group, "said")) is not None]
    kept = value(result, NEIGHBOURS, "kept")
    return kept - fmean(said) if said and kept is not None else None


def against_training(results: Results, knowledge: str) -> list[Comparison]:
    """Selectivity of each editor minus that of the method trained beside it, for each number of facts: one family."""
    config = results.config
    rows = []
    for count in results.counts(knowledge, "numbers"):
        other = results.of(knowledge, "numbers", count, config.against)
        for label in results.labels("numbers", count):
            if is_editor(label):
                one = results.of(knowledge, "numbers", count, label)
                rows.append((f"{label}, {count}", one, other))
    return _family(rows, config.margin)


def especially(results: Results) -> list[Comparison]:
    """What an editor is ahead of training by on pre-trained knowledge, minus the same on fine-tuned knowledge."""
    first, second = "pretrained", "finetuned"
    found = []
    for count in results.counts(first, "numbers"):
        for label in results.labels("numbers", count):
            if is_editor(label):
                leads = [_lead(results, knowledge, count, label) for knowledge in (first, second)]
                found.append((f"{label}, {count}", *leads))
    return corrected(list(_compared(found, SELECTIVITY, results.config.margin)))


def merging(results: Results, knowledge: str) -> list[Comparison]:
    """Merged queries minus none, for each number of facts: one family."""
    config, rows = results.config, []
    for count in results.counts(knowledge, "merging"):
        for method in config.merged:
            base = results.of(knowledge, "merging", count, method)
            for by in ("text", "keys"):
                label = f"{method}, merged by {by}"
                rows.append((f"{label}, {count}", results.of(knowledge, "merging", count, label), base))
    return _family(rows, config.margin)


def covariance(results: Results, knowledge: str) -> list[Comparison]:
    """What the statistics of the corpus keep: neighbours kept with C minus with C = I."""
    rows = []
    for count in results.counts(knowledge, "numbers"):
        pair = [
            _values(results.of(knowledge, "numbers", count, label), lambda r: value(r, NEIGHBOURS, "kept"))
            for label in (PLAIN, WITHOUT)
        ]
        rows.append((f"{PLAIN}, {count}", *pair))
    return corrected(list(_compared(rows, "neighbours kept", results.config.margin)))


def in_requests(results: Results, knowledge: str) -> list[Comparison]:
    """One request after another minus all at once."""
    config, rows = results.config, []
    for count in results.counts(knowledge, "requests"):
        for method in config.requested:
            pair = [results.of(knowledge, "requests", count, f"{method}, {how}")
                    for how in (f"{config.requests} requests", "at once")]  # fmt: skip
            rows.append((method, *pair))
    return _family(rows, config.margin)


def coming_back(results: Results, knowledge: str, part: str = "numbers") -> list[Comparison]:
    """Probability after relearning minus that of a model that never knew, after the same."""
    count = max(results.config.numbers)
    never = {
        seed: control["never"] for seed, control in results.controls.get(knowledge, {}).items() if control["never"]
    }
    base = _values(never, relearned)
    rows = [
        (label, _values(results.of(knowledge, part, count, label), relearned), base)
        for label in results.labels(part, count)
    ]
    return corrected(list(_compared(rows, "relearned", results.config.margin)))


def relearned(result: Result) -> float | None:
    """Probability of the half that was not taught again."""
    return attack(result, "relearn", "probability")


def attack(result: Result, name: str, part: str) -> float | None:
    """What an attack got, by the name that begins its text."""
    found = next((each for text, each in result.get("attacks", {}).items() if text.partition(":")[0] == name), {})
    return found.get(part)


def _lead(results: Results, knowledge: str, count: int, label: str) -> dict[int, float]:
    one = _values(results.of(knowledge, "numbers", count, label), selectivity)
    other = _values(results.of(knowledge, "numbers", count, results.config.against), selectivity)
    return {seed: one[seed] - other[seed] for seed in one if seed in other}


def _values(by_seed: BySeed, read: Any) -> dict[int, float]:
    return {seed: v for seed, result in by_seed.items() if (v := read(result)) is not None}


def _family(rows: Sequence[tuple[str, BySeed, BySeed]], margin: float) -> list[Comparison]:
    pairs = [(name, _values(one, selectivity), _values(other, selectivity)) for name, one, other in rows]
    return corrected(list(_compared(pairs, SELECTIVITY, margin)))


def _compared(
    rows: Sequence[tuple[str, Mapping[int, float], Mapping[int, float]]], measure: str, margin: float
) -> Iterator[Comparison]:
    """Over the seeds that have both; fewer than two compare nothing."""
    for name, one, other in rows:
        if (result := minus(one, other, margin)) is not None:
            yield Comparison(name, *result, measure)
