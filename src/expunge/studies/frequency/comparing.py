"""From results to comparisons: rare against frequent, what is said against what is likely, uniform against forms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.config import FrequencyStudyConfig
from expunge.studies.compared import Compared, compared
from expunge.studies.frequency.arms import HIGH, LOW, UNIFORM
from expunge.studies.frequency.outcomes import Arm
from expunge.studies.frequency.plan import cells
from expunge.studies.frequency.scene import NEIGHBOURS, QUESTION, asked
from expunge.studies.results import read_result

GAPS = {"level": "level", "left": "said"}  # measures of a gap, one of probability and one of generation


@dataclass(frozen=True)
class Cell:
    """The result of one method on one model."""

    result: Mapping[str, Any]

    @property
    def seed(self) -> int:
        return self.result["seed"]

    def arm(self, name: str = UNIFORM) -> Arm:
        arms = self.result["arms"]
        return Arm(name, arms[name], self.result["never"], arms[UNIFORM]["points"][0]["measures"])

    def has(self, name: str) -> bool:
        return name in self.result["arms"]


Cells = Mapping[tuple[str, str], Sequence[Cell]]


def load(config: FrequencyStudyConfig, out: Path) -> dict[tuple[str, str], list[Cell]]:
    """Size and method → its cells, by seed, where there are any. Outside of the world the model stands for a size."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for size, method, _, place in cells(config):
        if (result := read_result(out / place)) is not None:
            found.setdefault((config.base or size, method), []).append(Cell(result))
    return found


def left_out(config: FrequencyStudyConfig, found: Cells) -> dict[tuple[str, str, str], list[int]]:
    """Bucket, form and size → the seeds in which the bucket was not known before."""
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for (size, _), several in found.items():
        for cell in several:
            for form, names in cell.arm().left_out.items():
                for name in names:
                    seeds.setdefault((name, asked(form, config.suite), size), set()).add(cell.seed)
    return {which: sorted(each) for which, each in seeds.items()}


# ---- rare against frequent


def areas(config: FrequencyStudyConfig, found: Cells, *, alone: bool = False) -> list[Compared]:
    """Area of the most frequent bucket minus that of the rarest, for each method, size and form."""
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            both = [each for cell in several if (each := _both(cell, form, config.steps, alone=alone)) is not None]
            if both:
                name = f"{method}, {size}, {asked(form, config.suite)}"
                pairs[name] = ([high for high, _ in both], [low for _, low in both])
    return compared(pairs, config.margin)


def _both(cell: Cell, form: str, steps: int, *, alone: bool) -> tuple[float, float] | None:
    names = cell.arm().buckets
    if len(names) < 2 or (alone and not (cell.has(LOW) and cell.has(HIGH))):
        return None
    arms = (HIGH, LOW) if alone else (UNIFORM, UNIFORM)
    high, low = (cell.arm(arm).area(form, bucket, steps) for arm, bucket in zip(arms, (names[-1], names[0])))
    return None if high is None or low is None else (high, low)


def halves_of(several: Sequence[Cell], form: str, bucket: str) -> tuple[list[float], int]:
    """The steps at which half was gone, and in how many seeds it never was."""
    found = [cell.arm().half(form, bucket) for cell in several]
    return [each for each in found if each is not None], sum(each is None for each in found)


# ---- said against likely


def misaligned(
    config: FrequencyStudyConfig, several: Sequence[Cell], form: str, test: str
) -> Iterator[Mapping[str, float]]:
    """M, D and the two shares at the point that unlearning keeps, seed by seed; where 20 facts passed both before."""
    for cell in several:
        point = cell.arm().by_rule(config.utility_floor)
        if (told := point["apart"].get(form, {}).get(test)) is not None:
            yield told


def by_size(config: FrequencyStudyConfig, found: Cells) -> list[Compared]:
    """M and D of the largest size minus those of the smallest, on the seeds that both have."""
    sizes = list(dict.fromkeys(size for size, _ in found))
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for method in dict.fromkeys(method for _, method in found):
        ends = [{c.seed: c for c in found.get((size, method), [])} for size in (sizes[-1], sizes[0])]
        shared = sorted(ends[0].keys() & ends[1].keys()) if len(sizes) > 1 else []
        for test in ("likely", "choice"):
            for measure in ("M", "D"):
                two = [[*misaligned(config, [end[seed] for seed in shared], QUESTION, test)] for end in ends]
                if shared and all(len(each) == len(shared) for each in two):
                    pairs[f"{method}, {measure}, {test}"] = tuple([t[measure] for t in each] for each in two)  # type: ignore[assignment]
    return compared(pairs, config.margin)


# ---- forms against uniform


@dataclass(frozen=True)
class Chosen:
    """The form that was chosen for a method in one size, and how it did on the seeds that chose nothing."""

    method: str
    size: str
    form: str
    selecting: Mapping[str, float]  # arm → mean residual on the seeds that chose
    tested: Mapping[str, tuple[float, ...]]  # arm → residuals on the others
    cells: Sequence[Cell] = field(repr=False)  # the others


def forms_chosen(config: FrequencyStudyConfig, found: Cells, by: str = "utility") -> list[Chosen]:
    """For each method and size with forms; none while seeds are missing."""
    floor = config.neighbour_floor if by == NEIGHBOURS else config.utility_floor
    chosen = []
    for (size, method), several in found.items():
        forms = [form for form in config.forms if all(cell.has(form) for cell in several)]
        known = [cell for cell in several if cell.arm().judged]
        first = [cell for cell in known if cell.seed < config.selecting]
        others = [cell for cell in known if cell.seed >= config.selecting]
        if not forms or len(first) < config.selecting or not first or len(others) < 2:
            continue
        if by == NEIGHBOURS and NEIGHBOURS not in first[0].arm().points[0]["measures"]:
            continue
        mean = {name: fmean(cell.arm(name).residual(floor, by) for cell in first) for name in (UNIFORM, *forms)}
        best = min(forms, key=lambda form: mean[form])
        tested = {name: tuple(cell.arm(name).residual(floor, by) for cell in others) for name in (UNIFORM, *forms)}
        chosen.append(Chosen(method, size, best, mean, tested, others))
    return chosen


def against_uniform(config: FrequencyStudyConfig, chosen: Sequence[Chosen]) -> list[Compared]:
    """Residual of the chosen form minus that of the uniform arm, on the seeds that chose nothing."""
    pairs = {
        f"{each.method}, {each.size}: {each.form}": (each.tested[each.form], each.tested[UNIFORM]) for each in chosen
    }
    return compared(pairs, config.margin)


def gaps(config: FrequencyStudyConfig, chosen: Sequence[Chosen]) -> list[Compared]:
    """The chosen form's gap between buckets minus the uniform arm's, at equal utility, on the seeds that chose nothing:
    in each form of asking, by level and by what is said."""
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for each in chosen:
        for form in each.cells[0].arm().forms:
            for measure, title in GAPS.items():
                own, usual = (gaps_of(config, each, name, form, measure) for name in (each.form, UNIFORM))
                if seeds := sorted(own.keys() & usual.keys()):
                    name = f"{each.method}, {each.size}: {each.form}; {asked(form, config.suite)}, {title}"
                    pairs[name] = ([own[seed] for seed in seeds], [usual[seed] for seed in seeds])
    return compared(pairs, config.margin)


def gaps_of(config: FrequencyStudyConfig, chosen: Chosen, name: str, form: str, measure: str) -> dict[int, float]:
    """Of an arm: seed → gap, where both buckets were known before."""
    arms = {cell.seed: cell.arm(name) for cell in chosen.cells}
    found = {seed: arm.gap(arm.chosen(config.utility_floor), form, measure) for seed, arm in arms.items()}
    return {seed: gap for seed, gap in found.items() if gap is not None}
