"""FS, RS and AUES: how much is forgotten for how much kept, over a whole run. Lee et al. 2025, arXiv:2505.16252.

    FS_t = 1 - ES(forget set),   RS_t = ES(retain set)          at checkpoint t, the start t = 0 included
    RS*(f) = RS_0 for f ≤ FS_0,   max{ RS_t : FS_t ≥ f } above it,   0 where no checkpoint forgets as much
    AUES = ∫_0^1 RS*(f) df

ES is extraction strength. The integral of the paper's "area under the FS-RS curve" is not published. `aues` is the
exact area of the step function above, between 0 and 1. `aues_raw` has the scale of the paper's table: the area under
the straight lines between the points that no other beats, over a range of FS that all compared runs reach
(`common_range`); without a common range it would measure how long a run went on. Deviations: see above.
"""

from collections.abc import Sequence
from typing import NamedTuple

from expunge.errors import ConfigError


class Point(NamedTuple):
    """One checkpoint. Both numbers are between 0 and 1."""

    FS: float
    RS: float


def point(forget_strength: float, retain_strength: float) -> Point:
    """From the mean extraction strength of the two sets.

    >>> point(0.25, 0.5)
    Point(FS=0.75, RS=0.5)
    """
    return Point(1 - forget_strength, retain_strength)


def aues(points: Sequence[Point]) -> float:
    """The area under RS*, the points in the order of the run.

    >>> aues([Point(0.25, 1.0), Point(0.75, 0.5)])  # 0.25 × 1 + 0.5 × 0.5
    0.5
    """
    _check(points)
    start = points[0]
    area, left = start.FS * start.RS, start.FS
    for each in _front(points):
        if left < each.FS:
            area, left = area + (each.FS - left) * each.RS, each.FS
    return area


def common_range(runs: Sequence[Sequence[Point]]) -> tuple[float, float]:
    """The values of FS that every run passes through, for `aues_raw`.

    Raises ConfigError where there are none.
    """
    for points in runs:
        _check(points)
    low = max((points[0].FS for points in runs), default=0.0)
    high = min((max(each.FS for each in points) for points in runs), default=0.0)
    if not high > low:
        raise ConfigError(f"AUES: the runs share no range of FS: one starts at {low:.3f}, one never passes {high:.3f}")
    return low, high


def aues_raw(points: Sequence[Point], low: float, high: float) -> float:
    """The area under the lines between the points that no other beats, from `low` to `high`.

    >>> aues_raw([Point(0.25, 1.0), Point(0.75, 0.5)], 0.25, 0.75)
    0.375

    Raises ConfigError for a range that the run does not reach.
    """
    import numpy as np

    _check(points)
    front = _front(points)
    if not 0 <= low < high <= front[-1].FS:
        raise ConfigError(f"AUES from {low} to {high}: this run reaches FS {front[-1].FS:.3f}; see `common_range`")
    inner = [each.FS for each in front if low < each.FS < high]
    at = np.array([low, *inner, high])
    heights = np.interp(at, [each.FS for each in front], [each.RS for each in front])
    return float(np.sum(np.diff(at) * (heights[1:] + heights[:-1]) / 2))


def _front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats, FS rising."""
    front: list[Point] = []
    for each in sorted(points, reverse=True):  # from the most forgotten down
        if not front or each.RS > front[-1].RS:
            front.append(each)
    return front[::-1]


def _check(points: Sequence[Point]) -> None:
    if not points:
        raise ConfigError("AUES needs at least one checkpoint, the start")
    if wrong := [each for each in points if not (0 <= each[0] <= 1 and 0 <= each[1] <= 1)]:
        raise ConfigError(f"AUES: FS and RS lie between 0 and 1, not {tuple(wrong[0])}")
