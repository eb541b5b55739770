"""The early checkpoint, from which a change is extrapolated.

UIPE (arXiv:2503.04693) argues that the update points to related knowledge only while the forget set is not gone: what
training adds after that says nothing more about where the knowledge lies. So the last checkpoint is kept at which at
least a share of the way to never-known is left, with the utility floor held; if all are beyond, the first that holds.
Without a never-known level the way is that to level 0. The paper chooses by hand; the rule is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.train.selection import Point, Rule


@dataclass(frozen=True)
class Early(Rule):
    """The usual rule but for which point is kept."""

    remaining: float = 0.1  # of the way

    def best(self, points: Sequence[Point]) -> int:
        """Index of the kept point; `points[0]` is the start. Adding points never needs a dropped one again."""
        start = self.origin or points[0]
        holding = (i for i in range(1, len(points)) if self.holds(points[i], start))
        kept = next(holding, min(1, len(points) - 1))
        for i in range(1, len(points)):
            if self.holds(points[i], start) and self._left(points[i], start) >= self.remaining:
                kept = i
        return kept

    def _left(self, point: Point, start: Point) -> float:
        known = self.never_known or 0.0
        way = start.forget - known
        return (point.forget - known) / way if way > 0 else 0.0

    def why(self, point: Point, start: Point) -> str:
        """One sentence for the report."""
        start = self.origin or start
        if not self.holds(point, start):
            return f"to extrapolate from; no checkpoint kept {self.floor:.0%} of the utility, and this is the first"
        if self._left(point, start) < self.remaining:
            return "to extrapolate from: the first; the forget set was gone at every checkpoint"
        return f"to extrapolate from: the last with at least {self.remaining:.0%} of the way to never-known left"
