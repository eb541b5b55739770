"""The early checkpoint, from which a change is extrapolated.

UIPE (arXiv:2503.04693) argues that the update points to related knowledge only while the forget set is not gone: what
training adds after that says nothing more about where the knowledge lies. So the last checkpoint is kept at which at
least a share of the way to never-known is left, with the utility floor held; if all are beyond, the first that holds.
Without a never-known level the way is that to level 0. The paper chooses by hand; the rule is ours.

Where the buckets of a curriculum are extrapolated apart, a point counts only if it lies in the last phase of which one
holds the floor: an earlier one would have nothing of the phases behind it, and their buckets no change to extrapolate.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from expunge.train.selection import Point, Rule


@dataclass(frozen=True)
class Early(Rule):
    """The usual rule but for which point is kept."""

    remaining: float = 0.1  # of the way
    ends: tuple[int, ...] = ()  # of the phases, in steps; (): all is one

    def best(self, points: Sequence[Point]) -> int:
        """Index of the kept point; `points[0]` is the start. Adding points never needs a dropped one again."""
        start = self.origin or points[0]
        holding = [i for i in range(1, len(points)) if self.holds(points[i], start)]
        if not holding:
            return min(1, len(points) - 1)
        last = max(self._phase(points[i]) for i in holding)
        own = [i for i in holding if self._phase(points[i]) == last]
        return max((i for i in own if self._left(points[i], start) >= self.remaining), default=own[0])

    def _phase(self, point: Point) -> int:
        """A phase's end belongs to it."""
        return bisect_left(self.ends, point.step)

    def _left(self, point: Point, start: Point) -> float:
        known = self.never_known or 0.0
        way = start.forget - known
        return (point.forget - known) / way if way > 0 else 0.0

    def why(self, point: Point, start: Point) -> str:
        """One sentence for the report."""
        start = self.origin or start
        if not self.holds(point, start):
            return f"to extrapolate from; no checkpoint kept {self.floor:.0%} of the utility, and this is the first"
        of = f" of phase {self._phase(point) + 1} of {len(self.ends)}" if self.ends else ""
        if self._left(point, start) < self.remaining:
            return f"to extrapolate from: the first{of}; the forget set was gone at every checkpoint{of}"
        return f"to extrapolate from: the last{of} with at least {self.remaining:.0%} of the way to never-known left"
