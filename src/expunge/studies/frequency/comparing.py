"""From results to comparisons: rare against frequent, and what is said against what is likely, by size.

Each list of comparisons is one family for Holm's correction. Forms against uniform: `equal_utility.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import fmean

from expunge.config import FrequencyStudyConfig
from expunge.studies.compared import Compared, compared
from expunge.studies.frequency.arms import HIGH, LOW, UNIFORM
from expunge.studies.frequency.measures import TESTS
from expunge.studies.frequency.outcomes import Arm, Cell
from expunge.studies.frequency.plan import cells
from expunge.studies.frequency.scene import ALL, QUESTION, asked
from expunge.studies.results import read_result

BARELY = 0.9  # of the steps, by which neither bucket is forgotten enough to be compared
TITLES = {"likely": "level of 1/2", "choice": "right against wrong"}  # of the tests of probability

Cells = Mapping[tuple[str, str], Sequence[Cell]]
Pairs = dict[str, tuple[list[float], list[float]]]


def load(config: FrequencyStudyConfig, out: Path) -> dict[tuple[str, str], list[Cell]]:
    """Size and method → its cells, by seed, where there are any. Outside of the world the model stands for a size."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for size, method, _, place in cells(config):
        if (result := read_result(out / place)) is not None:
            found.setdefault((config.base or size, method), []).append(Cell(result))
    return found


def sizes_of(found: Cells) -> list[str]:
    """Those of which there are results, in the order of the settings."""
    return list(dict.fromkeys(size for size, _ in found))


def left_out(config: FrequencyStudyConfig, found: Cells) -> dict[tuple[str, str, str], list[int]]:
    """Bucket, form and size → the seeds in which the bucket was hardly above never-known before."""
    return _seeds(config, found, lambda arm, form, bucket: bucket in arm.left_out.get(form, ()))


def unsaid(config: FrequencyStudyConfig, found: Cells) -> dict[tuple[str, str, str], list[int]]:
    """Bucket, form and size → the seeds in which too few of its facts were said before."""
    return _seeds(config, found, lambda arm, form, bucket: not arm.curve(form, bucket))


def _seeds(
    config: FrequencyStudyConfig, found: Cells, holds: Callable[[Arm, str, str], bool]
) -> dict[tuple[str, str, str], list[int]]:
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for (size, _), several in found.items():
        for cell in several:
            arm = cell.arm()
            for bucket, form in ((b, f) for b in arm.buckets for f in arm.forms):
                if holds(arm, form, bucket):
                    seeds.setdefault((bucket, asked(form, config.suite), size), set()).add(cell.seed)
    return {which: sorted(each) for which, each in seeds.items()}


# ---- rare against frequent


@dataclass(frozen=True)
class Harder:
    """Three families: all buckets together, in the size with most seeds and in the others, and each alone."""

    first: Sequence[Compared]
    others: Sequence[Compared]
    alone: Sequence[Compared]

    @classmethod
    def of(cls, config: FrequencyStudyConfig, found: Cells) -> "Harder":
        main = {pair: several for pair, several in found.items() if pair[0] == (config.base or config.sizes[0])}
        rest = {pair: several for pair, several in found.items() if pair not in main}
        return cls(steps(config, main), steps(config, rest), steps(config, found, alone=True))


def steps(config: FrequencyStudyConfig, found: Cells, *, alone: bool = False) -> list[Compared]:
    """Logarithm of the steps until the most frequent bucket is forgotten minus that of the rarest, for each method,
    size and form: what is harder is so by a factor. The margin is one of ratios, too.

    Without those in which neither bucket is forgotten within the steps: both stop at that number, and are alike by it.
    """
    pairs = {
        name: ([log(high) for high, _ in both], [log(low) for _, low in both])
        for name, both in _steps(config, found, alone=alone).items()
        if not _barely(config, both)
    }
    return compared(pairs, log(config.ratio))


def barely_forgotten(config: FrequencyStudyConfig, found: Cells) -> list[str]:
    """What `steps` leaves out, where all buckets are unlearnt together."""
    return [name for name, both in _steps(config, found, alone=False).items() if _barely(config, both)]


def _steps(config: FrequencyStudyConfig, found: Cells, *, alone: bool) -> dict[str, list[tuple[float, float]]]:
    """Method, size and form → steps of the most frequent bucket and of the rarest, seed by seed."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            both = [each for cell in several if (each := _both(cell, form, config.steps, alone=alone)) is not None]
            if both:
                pairs[f"{method}, {size}, {asked(form, config.suite)}"] = both
    return pairs


def _barely(config: FrequencyStudyConfig, both: Sequence[tuple[float, float]]) -> bool:
    """By the means over seeds, so that no seed is chosen by what came out in it."""
    return fmean(min(pair) for pair in both) > BARELY * config.steps


def _both(cell: Cell, form: str, steps: int, *, alone: bool) -> tuple[float, float] | None:
    names = cell.arm().buckets
    if len(names) < 2 or (alone and not (cell.has(LOW) and cell.has(HIGH))):
        return None
    arms = (HIGH, LOW) if alone else (UNIFORM, UNIFORM)
    high, low = (cell.arm(arm).until(form, bucket, steps) for arm, bucket in zip(arms, (names[-1], names[0])))
    return None if high is None or low is None else (high, low)


# ---- said against likely


@dataclass(frozen=True)
class Midway:
    """What the two kinds of test say of one cell when half is forgotten."""

    seed: int
    still: float  # share still said at that point, of what was said before
    held: bool  # the utility floor
    told: Mapping[str, float]  # M, D, both shares that are gone, how many facts; ρ where it can be had

    def __getitem__(self, name: str) -> float:
        return self.told["said"] - self.told["test"] if name == "said - test" else self.told[name]


def midway(config: FrequencyStudyConfig, several: Sequence[Cell], form: str, test: str) -> Iterator[Midway]:
    """Seed by seed, at the point whose share said is nearest to 1/2: after as much forgetting in every size. Only where
    20 facts passed both tests before."""
    for cell in several:
        arm = cell.arm()
        point = arm.midway(form)
        if point is not None and (told := point["apart"].get(form, {}).get(test)) is not None:
            still = point["measures"][form][ALL]["left"]
            yield Midway(cell.seed, still, arm.holds(point, config.utility_floor), told)


def by_size(config: FrequencyStudyConfig, found: Cells) -> list[Compared]:
    """D of the largest size minus that of the smallest, averaged over the methods, by each test; on the seeds that all
    these methods have in both. The names say which methods: one of which no seed can be read is left out."""
    sizes = sizes_of(found)
    pairs: Pairs = {}
    for test in TESTS if len(sizes) > 1 else ():
        large, small = (_disagreement(config, found, size, test) for size in (sizes[-1], sizes[0]))
        shared = {name: large[name].keys() & small[name].keys() for name in large if name in small}
        shared = {name: seeds for name, seeds in shared.items() if seeds}
        if shared and (seeds := sorted(set.intersection(*map(set, shared.values())))):
            name = f"D, {TITLES[test]}, mean over {', '.join(shared)}"
            pairs[name] = tuple([fmean(each[n][seed] for n in shared) for seed in seeds] for each in (large, small))  # type: ignore[assignment]
    return compared(pairs, config.margin)


def _disagreement(config: FrequencyStudyConfig, found: Cells, size: str, test: str) -> dict[str, dict[int, float]]:
    """Method → seed → D of the questions."""
    return {
        method: {each.seed: each["D"] for each in midway(config, several, QUESTION, test)}
        for (own, method), several in found.items() if own == size
    }  # fmt: skip


# ---- what went astray


def noted(found: Cells) -> Iterator[tuple[str, str]]:
    """Arms that diverged, or of which there is something to say, each with that."""
    for (size, method), several in found.items():
        for cell in several:
            for name, arm in cell.result["arms"].items():
                if arm["note"]:
                    yield f"{method}, {size}, seed {cell.seed}, {name}", arm["note"]
