"""From results to comparisons: what extrapolation does to each group, against other ways to go on, and regret."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from expunge.arithmetic.alpha.curve import beyond
from expunge.config import UipeStudyConfig
from expunge.studies.compared import Compared, compared
from expunge.studies.paired import Paired, paired
from expunge.studies.people import is_world
from expunge.studies.results import read_result
from expunge.studies.uipe.plan import cells
from expunge.studies.uipe.scene import FORGET, TEST

MARGIN = 0.1  # nats per token, within which two drops are called equivalent
DISTANCE, KEPT = "distance to never-known", "share of the utility"
FAILED = 1.0  # loss of what breaks the floor or overshoots
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """The result of one method on one model."""

    result: Result
    floor: float

    @property
    def start(self) -> Mapping[str, Any]:
        """What the model says before unlearning."""
        return self.result["trajectory"][0]["measures"]

    def at(self, alpha: float, origin: str = "early") -> Mapping[str, Any]:
        """What it says at an α, from a checkpoint."""
        return next(p["measures"] for p in self.result["from"][origin]["curve"] if p["alpha"] == alpha)

    def line(self, origin: str = "early") -> list[Mapping[str, Any]]:
        """What it says along α."""
        return [point["measures"] for point in self.result["from"][origin]["curve"]]

    def steps(self) -> list[Mapping[str, Any]]:
        """What it says along the training, from the early checkpoint on."""
        first = self.result["from"]["early"]["step"]
        return [p["measures"] for p in self.result["trajectory"] if p["step"] >= first]

    def drop(self, group: str, alpha: float, origin: str = "early") -> float:
        """How many nats per token a group's answers lose from α = 0 on."""
        return self.at(0.0, origin)[group]["log"] - self.at(alpha, origin)[group]["log"]

    def kept(self, measures: Mapping[str, Any]) -> float:
        """Share of the utility, on the half of the retain set that chooses nothing."""
        return measures[TEST]["level"] / self.start[TEST]["level"]

    def loss(self, measures: Mapping[str, Any]) -> float:
        """Distance to never-known as a share of the way; a broken floor and overshoot are failures."""
        never, start = self.result["never"], self.start[FORGET]
        if self.kept(measures) < self.floor or overshoots(self, measures):
            return FAILED
        way = start["level"] - never["level"]
        return min(FAILED, abs(measures[FORGET]["level"] - never["level"]) / way) if way > 0 else FAILED

    def best_on_line(self, origin: str) -> float:
        """The smallest loss along α from a checkpoint."""
        return min(self.loss(measures) for measures in self.line(origin))

    def best(self) -> float:
        """The smallest loss in hindsight of all that was tried from the early checkpoint, selectors' α among it."""
        chosen = [each["measures"] for each in self.result["selectors"].values() if each]
        return min(self.best_on_line("early"), *(self.loss(measures) for measures in chosen), FAILED)


def load(config: UipeStudyConfig, out: Path) -> dict[tuple[str, str], list[Cell]]:
    """Size (or the suite, which has but one model) and method → its cells, by seed, where there are any."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for size, method, _, place in cells(config):
        if (result := read_result(out / place)) is not None and "from" in result:
            of = size if is_world(config.suite) else config.suite
            found.setdefault((of, method), []).append(Cell(result, config.utility_floor))
    return found


def taken_along(found: Mapping[tuple[str, str], Sequence[Cell]], alpha: float, one: str, other: str) -> list[Compared]:
    """For each size and method how much more one group loses than another between α = 0 and an α, over seeds."""
    pairs = {
        f"{method}, {size}": ([c.drop(one, alpha) for c in several], [c.drop(other, alpha) for c in several])
        for (size, method), several in found.items()
        if one in several[0].start and other in several[0].start
    }
    return compared(pairs, MARGIN)


def at_equal_forgetting(cell: Cell, alpha: float, group: str, measure: str = "level") -> tuple[float, float] | None:
    """(by α, by further steps) of a group, where the forget rows are as unlikely as at an α.

    Between points of the training values are interpolated over the forget rows' log-probability; None where it never
    gets that far.
    """
    wanted = cell.at(alpha)
    found = interpolated(cell.steps(), wanted[FORGET]["log"], group, measure)
    return None if found is None else (wanted[group][measure], found)


def interpolated(points: Sequence[Mapping[str, Any]], log: float, group: str, measure: str) -> float | None:
    """A group's value where the forget rows' log-probability first crosses a level."""
    for one, two in pairwise(points):
        high, low = one[FORGET]["log"], two[FORGET]["log"]
        if low <= log <= high and high > low:
            share = (high - log) / (high - low)
            return (1 - share) * one[group][measure] + share * two[group][measure]
    return None


def equal_rows(cells_of: Sequence[Cell], alpha: float, group: str) -> tuple[Paired | None, int]:
    """By α against by steps, over the seeds in which training got that far, and how many these are."""
    pairs = [pair for cell in cells_of if (pair := at_equal_forgetting(cell, alpha, group)) is not None]
    if len(pairs) < 2:
        return None, len(pairs)
    return paired([a for a, _ in pairs], [b for _, b in pairs], margin=0.05), len(pairs)


@dataclass(frozen=True)
class Choice:
    """How a way to choose α did over all cells. Whether it held the floor is judged on the whole other half, which is
    what selectors promise, and in cells where “nearest” found something that holds it on the half that chooses."""

    name: str
    alphas: tuple[float, ...]
    held: tuple[bool, ...]
    further: tuple[bool, ...]  # the same of the cells that got an α above 0: to abstain is no merit
    overshot: tuple[bool, ...]
    regrets: tuple[float, ...]
    losses: tuple[float, ...]


def choices(config: UipeStudyConfig, found: Mapping[tuple[str, str], Sequence[Cell]]) -> Iterator[Choice]:
    """Of every selector and every fixed α, over the cells in which some α of the line is no failure."""
    every = [cell for several in found.values() for cell in several]
    ways: dict[str, Callable[[Cell], Taken | None]] = {name: partial(_by, name) for name in config.selectors}
    ways |= {f"α = {alpha:g}": partial(_at, alpha) for alpha in sorted({0.0, *config.fixed})}
    for name, way in ways.items():
        taken = [(cell, chosen) for cell in every if (chosen := way(cell)) is not None]
        held = [(chosen.alpha, chosen.kept >= cell.floor) for cell, chosen in taken if startable(cell)]
        if taken:
            yield Choice(
                name,
                tuple(chosen.alpha for _, chosen in taken),
                tuple(holds for _, holds in held),
                tuple(holds for alpha, holds in held if alpha > 0),
                tuple(overshoots(cell, chosen.measures) for cell, chosen in taken),
                tuple(cell.loss(c.measures) - cell.best() for cell, c in taken if cell.best() < FAILED),
                tuple(cell.loss(chosen.measures) for cell, chosen in taken),
            )


class Taken(NamedTuple):
    """An α in a cell, and what it keeps of the utility on the half that chose nothing."""

    alpha: float
    measures: Mapping[str, Any]
    kept: float


def _by(selector: str, cell: Cell) -> Taken | None:
    if not (found := cell.result["selectors"][selector]):
        return None
    kept = cell.kept(found["measures"]) if found["tested"] is None else found["tested"]
    return Taken(found["alpha"], found["measures"], kept)


def _at(alpha: float, cell: Cell) -> Taken:
    return Taken(alpha, cell.at(alpha), cell.kept(cell.at(alpha)))


def overshoots(cell: Cell, measures: Mapping[str, Any]) -> bool:
    """Farther beyond never-known than is near."""
    return beyond(measures[FORGET]["log"], cell.result["never"]["log"], cell.start[FORGET]["log"])


def startable(cell: Cell) -> bool:
    """Whether something keeps the floor on the half that chooses, and does not overshoot: else there is no choice."""
    first = cell.result["selectors"].get("nearest") or next(iter(cell.result["selectors"].values()), {})
    return bool(first and (first["holds"] and not first["overshoots"]))


def mean_line(
    lines: Sequence[Sequence[Mapping[str, Any]]], x: tuple[str, str], y: tuple[str, str]
) -> list[tuple[float, float]]:
    """(x, y) at each point, means over seeds; x and y are (group, measure)."""
    shortest = min((len(each) for each in lines), default=0)
    return [
        (fmean(each[i][x[0]][x[1]] for each in lines), fmean(each[i][y[0]][y[1]] for each in lines))
        for i in range(shortest)
    ]


def motivated(results: Sequence[Result]) -> list[Compared]:
    """With minus without related facts at the last point, seed by seed: distance to never-known, and what is kept."""
    values: dict[str, tuple[list[float], list[float]]] = {DISTANCE: ([], []), KEPT: ([], [])}
    for result in results:
        for place, run in enumerate(result["conditions"].values()):
            last, first = run["trajectory"][-1]["measures"], run["trajectory"][0]["measures"]
            values[DISTANCE][place].append(abs(last[FORGET]["level"] - run["never"][FORGET]["level"]))
            values[KEPT][place].append(last[TEST]["level"] / first[TEST]["level"])
    return compared(values, margin=0.05)
