"""The early checkpoint, from which a change is extrapolated.

UIPE (arXiv:2503.04693) argues that the update points to related knowledge only while the forget set is not gone: what
training adds after that says nothing more about where the knowledge lies. So the last checkpoint is kept at which at
least a share of the way to never-known is left, and the utility floor is held by the margin that choosing α asks for
(`arithmetic/alpha/margin.py`): from a checkpoint with less a part of the change would be taken back. If all with that
margin are beyond, the first of them is kept; if none has it, the same is asked of those that just hold the floor; if
none does, the first is kept. Without a never-known level the way is that to level 0. The paper chooses by hand; the
rule is ours.

Where the buckets of a curriculum are extrapolated apart, a point counts only if it lies in the last phase of which one
holds the floor: an earlier one would have nothing of the phases behind it, and their buckets no change to extrapolate.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from expunge.arithmetic.alpha.margin import surely
from expunge.train.selection import Point, Rule

_NONE, _HELD, _SURE = range(3)  # how well the utility is kept


@dataclass(frozen=True)
class Early(Rule):
    """The usual rule but for which point is kept."""

    remaining: float = 0.1  # of the way
    ahead: float | None = None  # the floor for choosing α; None: the same
    ends: tuple[int, ...] = ()  # of the phases, in steps; (): all is one

    def best(self, points: Sequence[Point]) -> int:
        """Index of the kept point; `points[0]` is the start. Adding points never needs a dropped one again."""
        start = self.origin or points[0]
        kept, rank = min(1, len(points) - 1), (-1, _NONE, False)
        for i in range(1, len(points)):
            found = self._rank(points[i], start)
            if found > rank or (found == rank and found[-1]):
                kept, rank = i, found
        return kept

    def _phase(self, point: Point) -> int:
        """A phase's end belongs to it."""
        return bisect_left(self.ends, point.step)

    def _rank(self, point: Point, start: Point) -> tuple[int, int, bool]:
        """Its phase, how well the utility is kept, whether enough of the way is left: greater goes before.

        Among equals the first is kept, but where enough is left the last.
        """
        kept = self._kept(point, start)
        if kept == _NONE:
            return -1, kept, False
        return self._phase(point), kept, self._left(point, start) >= self.remaining

    def _kept(self, point: Point, start: Point) -> int:
        if not self.holds(point, start):
            return _NONE
        if point.utility is None or start.utility is None or point.margin is None:
            return _SURE
        ahead = self.floor if self.ahead is None else self.ahead
        return _SURE if surely(point.utility, start.utility, ahead, point.margin) else _HELD

    def _left(self, point: Point, start: Point) -> float:
        known = self.never_known or 0.0
        way = start.forget - known
        return (point.forget - known) / way if way > 0 else 0.0

    def why(self, point: Point, start: Point) -> str:
        """One sentence for the report."""
        start = self.origin or start
        _, kept, left = self._rank(point, start)
        if kept == _NONE:
            return f"to extrapolate from; no checkpoint kept {self.floor:.0%} of the utility, and this is the first"
        of = f" of phase {self._phase(point) + 1} of {len(self.ends)}" if self.ends else ""
        if not left:
            said = f"to extrapolate from: the first{of}; the forget set was gone at every checkpoint{of}"
        else:
            way = f"{self.remaining:.0%} of the way to never-known"
            said = f"to extrapolate from: the last{of} with at least {way} left"
        return said if kept == _SURE else f"{said}; none kept the utility by enough to go further from"
