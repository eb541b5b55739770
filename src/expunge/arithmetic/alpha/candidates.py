"""Which points may be chosen, and the one nearest to never-known among them.

Where the change itself is no candidate, since it costs too much or lies too far beyond never-known, so is whatever goes
on from it. Then candidates are looked for on the way back to θ_ini, at α below 0.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal, Point

GAIN = 0.9  # of the largest, that is enough where there is no reference
BACK = (-0.75, -0.5, -0.25, -0.1)  # a tenth to three quarters of the change are taken back


def candidates(curve: Curve, goal: Goal) -> list[Point]:
    """The admitted points: those of the grid, and those found by halving the intervals in which utility crosses its
    floor or the forget level that of never-known, where these fall along the whole grid. The grid is that of the goal,
    or if α = 0 fails the way back."""
    grid = goal.grid if goal.admits(curve(0.0)) else goal.back
    points = [curve(alpha) for alpha in sorted({0.0, *grid})]
    if _falls(p.utility for p in points):
        _halve(curve, points, goal.surely, goal.halvings)
    if goal.never is not None and _falls(p.forget for p in points):
        level = goal.never.level
        _halve(curve, points, lambda point: point.forget >= level, goal.halvings)
        _halve(curve, points, lambda point: not goal.overshoots(point), goal.halvings)
    return [point for point in curve.points if goal.admits(point)]


def chosen(point: Point, why: str, goal: Goal) -> Chosen:
    return Chosen(point, why, goal.holds(point), goal.overshoots(point))


def picked(point: Point, why: str, curve: Curve, goal: Goal) -> Chosen:
    """A candidate; why it is none that goes further is said, too."""
    back = f"{_too_far(curve(0.0), goal)}, so a part of it is taken back: " if point.alpha < 0 else ""
    return chosen(point, back + why, goal)


def failed(curve: Curve, goal: Goal) -> Chosen:
    """α = 0: what is to be extrapolated is too far already, and so is what was tried on the way back."""
    return chosen(curve(0.0), _too_far(curve(0.0), goal), goal)


def _too_far(point: Point, goal: Goal) -> str:
    if not point.finite:
        return "what the change itself makes of the model is not finite"
    if not goal.holds(point):
        return f"the change itself does not keep {goal.floor:.0%} of the utility"
    if not goal.surely(point):
        return f"the change itself is too near to {goal.floor:.0%} of the utility to be sure of it"
    return "the change itself is beyond never-known already"


def nearest_of(curve: Curve, goal: Goal) -> Chosen:
    """argmin |F(α) - F_never| over the candidates; without a reference the smallest α with 90 % of the gain."""
    found = candidates(curve, goal)
    if not found:
        return failed(curve, goal)
    kept = f"with at least {goal.floor:.0%} of the utility kept" if found[0].utility is not None else "whatever it cost"
    if goal.never is None:
        largest = max(goal.start.forget - point.forget for point in found)
        if largest <= 0 and found[0].alpha < 0:
            return failed(curve, goal)
        if largest <= 0:
            return chosen(curve(0.0), "nothing is gained: no alpha makes the forget set less likely", goal)
        first = next(point for point in found if goal.start.forget - point.forget >= GAIN * largest)
        return picked(first, f"reference-free: the smallest that reaches {GAIN:.0%} of the gain, {kept}", curve, goal)
    level = goal.never.level
    best = min(found, key=lambda point: (abs(point.forget - level), abs(point.alpha)))
    return picked(best, f"nearest to the never-known level of the {goal.never.source}, {kept}", curve, goal)


def _falls(values: Iterable[float | None]) -> bool:
    """No value is above the one before."""
    return all(a is not None and b is not None and b <= a for a, b in pairwise(values))


def _halve(curve: Curve, points: list[Point], true: Callable[[Point], bool], times: int) -> None:
    """Measure between the last point at which something is true and the first at which it is not."""
    for low, high in pairwise(points):
        if true(low) and not true(high):
            for _ in range(times):
                middle = curve((low.alpha + high.alpha) / 2)
                low, high = (middle, high) if true(middle) else (low, middle)
            return
