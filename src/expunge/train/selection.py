"""Which checkpoint is kept: a rule fixed before the test, never the most extreme number.

Candidates keep at least a share of the start's utility, measured on one half of the retain set (the other half is for
the test). With a never-known level (twins, a holdout set) the candidate nearest to it is kept: over-forgetting is a
fault too. Without one, a later candidate replaces the kept one only when the kept one reaches less than 90 % of its
gain, and the result is called reference-free. When nothing keeps the utility, the one that keeps most is kept and
`floor_held` is False.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from expunge.data.example import Example


@dataclass(frozen=True)
class Point:
    """The state after `step` steps. Levels are mean length-normalized answer probabilities, in [0, 1]."""

    step: int
    seconds: float
    forget: float
    utility: float | None  # None: there is no retain set
    loss: float | None = None  # means since the last point
    retain_loss: float | None = None
    resting: float | None = None  # share of forget examples that were at their never-known level
    margin: float | None = None  # by which the utility must lie above the floor for another half to hold it, too

    def as_json(self) -> dict[str, float | int | None]:
        return asdict(self)


@runtime_checkable
class KeepRule(Protocol):
    """What the loop asks of a rule."""

    def best(self, points: Sequence[Point]) -> int:
        """Index of the kept point; `points[0]` is the start. Adding points never needs a dropped one again."""
        ...

    def met(self, point: Point, start: Point) -> bool:
        """May training stop?"""
        ...


@dataclass(frozen=True)
class Rule:
    """The rule of unlearning with its numbers."""

    floor: float
    never_known: float | None
    stops: bool = False  # training ends once the goal is met
    origin: Point | None = field(default=None, kw_only=True)  # the start of an earlier stage, against which is judged

    def best(self, points: Sequence[Point]) -> int:
        """Index of the kept point; `points[0]` is the start. Adding points never needs a dropped one again."""
        kept, start = 0, self.origin or points[0]
        for i in range(1, len(points)):
            if self._better(points[i], points[kept], start):
                kept = i
        return kept

    def holds(self, point: Point, start: Point) -> bool:
        """Does the point keep enough of the start's utility?"""
        start = self.origin or start
        return point.utility is None or start.utility is None or point.utility >= self.floor * start.utility

    def met(self, point: Point, start: Point) -> bool:
        """Utility is kept and the forget level is down to the never-known one: training may stop."""
        if not self.stops or self.never_known is None:
            return False
        return self.holds(point, start) and point.forget <= self.never_known

    def _better(self, new: Point, kept: Point, start: Point) -> bool:
        if kept.step == 0 or not self.holds(kept, start):  # the start is kept only when nothing was trained
            if self.holds(new, start):
                return True
            return kept.step == 0 or (new.utility or 0) > (kept.utility or 0)
        if not self.holds(new, start):
            return False
        if self.never_known is not None:
            return abs(new.forget - self.never_known) < abs(kept.forget - self.never_known)
        return start.forget - kept.forget < 0.9 * (start.forget - new.forget)

    def why(self, point: Point, start: Point) -> str:
        """One sentence for the report."""
        start = self.origin or start
        if not self.holds(point, start):
            return f"no checkpoint kept {self.floor:.0%} of the utility; this one kept most"
        kept = f"with at least {self.floor:.0%} of the utility kept"
        if start.utility is None:
            kept = "whatever it cost: without a retain set utility was not measured"
        if self.never_known is None:
            return f"reference-free: first to reach 90 % of the gain, {kept}"
        return f"nearest to the never-known level, {kept}"


def halves(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """A set cut in two by whole groups, for selection and for the test."""
    keys = sorted({example.group or example.id for example in examples})
    order = np.random.default_rng([seed, 2]).permutation(len(keys))
    first = {keys[i] for i in order[: (len(keys) + 1) // 2]}
    chosen = [example for example in examples if (example.group or example.id) in first]
    return chosen, [example for example in examples if (example.group or example.id) not in first]
