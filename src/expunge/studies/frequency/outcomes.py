"""What is read off an arm: areas under forgetting curves, steps to forget, and what is left at equal utility.

    area       mean over the steps of the share, of the facts that were said before, that still are (trapezoids)
    half       the step at which half of them are no longer said, between points by a line; None: never
    residual   mean over the forms of  max_b |level_b - never_b| / (start_b - never_b),
               at the point where that is smallest among those that keep at least a share of the utility

The residual is the worst bucket's: forgetting the rest does not make up for it, and over-forgetting counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from expunge.studies.frequency.scene import ALL, NEIGHBOURS, QUESTION, STATEMENT, TEST
from expunge.train.selection import Point, Rule

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Arm:
    """The points of one unlearning, and what never-known looks like."""

    name: str
    result: Mapping[str, Any]
    never: Measured

    @property
    def points(self) -> Sequence[Mapping[str, Any]]:
        return self.result["points"]

    @property
    def forms(self) -> list[str]:
        """In which facts were asked for."""
        return [form for form in (QUESTION, STATEMENT) if form in self.never]

    @property
    def buckets(self) -> list[str]:
        """From rare to frequent."""
        return [name for name in self.never[QUESTION] if name != ALL]

    def curve(self, form: str, bucket: str, measure: str = "left") -> list[tuple[int, float]]:
        """A measure over the steps; () where it cannot be had: nothing was said before."""
        found = [(p["step"], p["measures"][form][bucket].get(measure)) for p in self.points]
        return [(step, value) for step, value in found if value is not None]

    def area(self, form: str, bucket: str, steps: int) -> float | None:
        """Under the curve of what is left; after the last point it stays as it was there."""
        curve = self.curve(form, bucket)
        if not curve:
            return None
        curve = [*curve, (max(steps, curve[-1][0]), curve[-1][1])]
        total = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(curve))
        return total / curve[-1][0] if curve[-1][0] else curve[0][1]

    def half(self, form: str, bucket: str) -> float | None:
        """The step at which half of what was said is no longer."""
        for (a, x), (b, y) in pairwise(self.curve(form, bucket)):
            if x >= 0.5 > y:
                return a + (b - a) * (x - 0.5) / (x - y)
        return None

    # ---- at equal utility

    def shares(self, point: Mapping[str, Any], form: str) -> dict[str, float]:
        """Bucket → what is left of the way from never-known to the start; below 0 it is over-forgotten."""
        first, found = self.points[0]["measures"][form], {}
        for bucket in self.buckets:
            never = self.never[form][bucket]["level"]
            way = max(first[bucket]["level"] - never, 1e-6)
            found[bucket] = (point["measures"][form][bucket]["level"] - never) / way
        return found

    def worst(self, point: Mapping[str, Any]) -> float:
        """The worst bucket's distance to never-known, a mean over the forms."""
        return fmean(max(map(abs, self.shares(point, form).values())) for form in self.forms)

    def kept(self, point: Mapping[str, Any], group: str = TEST) -> float:
        """Share of a group's level."""
        return point["measures"][group][ALL]["level"] / self.points[0]["measures"][group][ALL]["level"]

    def chosen(self, floor: float, by: str = "utility") -> Mapping[str, Any]:
        """The point with the smallest residual that keeps at least this share of the retained rows that choose, or of
        the neighbours. The start is one."""
        return min((point for point in self._all() if self._share(point, by) >= floor), key=self.worst)

    def residual(self, floor: float, by: str = "utility") -> float:
        """The worst bucket's at that point."""
        return self.worst(self.chosen(floor, by))

    def by_rule(self, floor: float) -> Mapping[str, Any]:
        """The point that unlearning itself keeps: nearest to never-known on the whole forget set."""
        rule = Rule(floor, self.never[QUESTION][ALL]["level"])
        points = [Point(p["step"], 0.0, p["forget"], p["utility"]) for p in self.points]
        return self.points[rule.best(points)]

    def overshoot(self, point: Mapping[str, Any], form: str, bucket: str) -> float:
        """Nats a token below never-known; 0 above it."""
        return max(0.0, self.never[form][bucket]["log"] - point["measures"][form][bucket]["log"])

    def _all(self) -> Iterator[Mapping[str, Any]]:
        yield from self.points
        if "further" in self.result:
            yield self.result["further"]

    def _share(self, point: Mapping[str, Any], by: str) -> float:
        return self.kept(point, NEIGHBOURS) if by == NEIGHBOURS else point["utility"] / self.points[0]["utility"]
