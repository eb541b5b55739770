"""From results to comparisons, seed by seed: editors against training, merged against none, what comes back.

Most are of selectivity (`scores.py`), which looks at the facts and their neighbours only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.config import EditingStudyConfig, parse_name
from expunge.studies.compared import Compared, corrected, minus
from expunge.studies.editing.arms import arms, cells, home, is_editor
from expunge.studies.editing.plan import control_place
from expunge.studies.editing.scene import NEIGHBOURS
from expunge.studies.editing.scores import Result, refused, relearned, selectivity, value
from expunge.studies.results import read_result

BySeed = Mapping[int, Result]
SELECTIVITY, REFUSED = "selectivity", "refused"
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


def against_training(results: Results, knowledge: str) -> list[Comparison]:
    """Selectivity of each editor minus that of the method trained beside it, for each number of facts: one family."""
    config = results.config
    rows = []
    for count in results.counts(knowledge, "numbers"):
        other = results.of(knowledge, "numbers", count, config.against)
        for label in _editors(results, count):
            rows.append((f"{label}, {count}", results.of(knowledge, "numbers", count, label), other))
    return _family(rows, config.margin)


def especially(results: Results) -> list[Comparison]:
    """The difference of an editor to training on pre-trained knowledge, minus the same on fine-tuned knowledge."""
    first, second = "pretrained", "finetuned"
    found = []
    for count in results.counts(first, "numbers"):
        for label in _editors(results, count):
            both = [_difference(results, knowledge, count, label) for knowledge in (first, second)]
            found.append((f"{label}, {count}", *both))
    return corrected(list(_compared(found, SELECTIVITY, results.config.margin)))


def _editors(results: Results, count: int) -> list[str]:
    """Those that are compared. One fact is edited jointly just as it is in sequence: that is no second comparison."""
    labels = [label for label in results.labels("numbers", count) if is_editor(label)]
    return [label for label in labels if not (count == 1 and parse_name(label)[1].get("joint"))]


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


def targets(results: Results, knowledge: str) -> list[Comparison]:
    """A refusal that names the subject minus a fixed one, in selectivity and in what is declined: one family."""
    config = results.config
    found: list[Comparison] = []
    for measure, read in ((SELECTIVITY, selectivity), (REFUSED, refused)):
        rows = []
        for count in results.counts(knowledge, "targets"):
            for method in config.kinds_of:
                named, fixed = (
                    _values(results.of(knowledge, "targets", count, f"{method}, {kind}"), read)
                    for kind in ("named", "fixed")
                )
                rows.append((f"{method}, {count}: {measure}", named, fixed))
        found += _compared(rows, measure, config.margin)
    return corrected(found)


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


def _difference(results: Results, knowledge: str, count: int, label: str) -> dict[int, float]:
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
