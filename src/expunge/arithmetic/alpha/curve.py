"""The curve that a choice of α looks at, and what it aims for.

Levels are mean length-normalized answer probabilities, in [0, 1]; logs are mean log-probabilities per answer token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from expunge.arithmetic.alpha.margin import surely

NEAR = 0.2  # of the way from the start to never-known, in logs, by which a candidate may lie beyond


@dataclass(frozen=True)
class Point:
    """The model at one α; α = -1 is the start, θ_ini."""

    alpha: float
    forget: float  # level
    logs: tuple[float, ...]  # of each forget example
    utility: float | None = None  # level of the selection half of the retain set; None: there is no retain set
    margin: float = 0.0  # by which the utility must lie above the floor for the other half to hold it, too
    related: float | None = None  # mean NLL of what should go as well
    unrelated: float | None = None  # mean NLL of what should not

    @property
    def log(self) -> float:
        return fmean(self.logs)

    @property
    def finite(self) -> bool:
        """Is everything that was measured a number?"""
        levels = (self.forget, self.log, self.utility, self.margin, self.related, self.unrelated)
        return all(isfinite(level) for level in levels if level is not None)


@dataclass(frozen=True)
class Never:
    """What a model that never knew the forget set says."""

    level: float
    logs: tuple[float, ...]
    source: str  # "retrained model", "twins" or "holdout"
    log: float  # what `level` is of probabilities, of mean log-probabilities


def beyond(log: float, known: float, start: float) -> bool:
    """Whether a mean log-probability lies farther below never-known than NEAR of the way there from the start."""
    return log < known - NEAR * max(0.0, start - known)


@dataclass(frozen=True)
class Goal:
    """What is aimed for, and what may be tried."""

    start: Point
    floor: float  # share of the start's utility that is to be kept
    never: Never | None
    grid: tuple[float, ...]
    halvings: int = 3  # of an interval of the grid in which a crossing lies
    weight: float = 1.0  # of unrelated against related knowledge (λ)
    back: tuple[float, ...] = ()  # α below 0 that are tried where the change itself, α = 0, goes too far

    def holds(self, point: Point) -> bool:
        """Does it keep enough of the utility?"""
        if point.utility is None or self.start.utility is None:
            return True
        return point.utility >= self.floor * self.start.utility

    def surely(self, point: Point) -> bool:
        """Does it hold by so much that another half of the same size holds it, too (`margin.py`)?"""
        if point.utility is None or self.start.utility is None:
            return True
        return surely(point.utility, self.start.utility, self.floor, point.margin)

    def overshoots(self, point: Point) -> bool:
        """Is it farther beyond never-known than NEAR of the way that led there? Without a reference nobody knows."""
        if self.never is None:
            return False
        return beyond(point.log, self.never.log, self.start.log)

    def admits(self, point: Point) -> bool:
        return point.finite and self.surely(point) and not self.overshoots(point)


@dataclass(frozen=True)
class Chosen:
    """The α, and why."""

    point: Point
    why: str
    holds: bool  # the utility floor
    overshoots: bool


class Curve:
    """Measures a point when it is asked for, once."""

    def __init__(self, measure: Callable[[float], Point]) -> None:
        self._measure = measure
        self._points: dict[float, Point] = {}

    def __call__(self, alpha: float) -> Point:
        if alpha not in self._points:
            self._points[alpha] = self._measure(alpha)
        return self._points[alpha]

    @property
    def points(self) -> tuple[Point, ...]:
        """All that were measured, by α."""
        return tuple(self._points[alpha] for alpha in sorted(self._points))
