"""What is read off an arm: areas under forgetting curves, steps to forget, and what is left at equal utility.

    area       mean over the steps of the share, of the facts that were said before, that still are (trapezoids)
    half       the step at which half of them are no longer said, between points by a line; None: never
    residual   mean over the forms of  max_b |level_b - never_b| / (start_b - never_b),
               at the point where that is smallest among those that keep at least a share of the utility
    gap        at that point: the most frequent bucket's minus the rarest's (level_b - never_b) / (start_b - never_b),
               or share still said of what was said before

The residual is the worst bucket's: forgetting the rest does not make up for it, and over-forgetting counts. A bucket
whose way start_b - never_b is under 0.05 is left out of it, form by form: the model did not know it, and the share of
hardly any way would decide everything. What is left out is decided by the start, once for all arms of a cell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from expunge.errors import ConfigError
from expunge.studies.frequency.scene import ALL, NEIGHBOURS, QUESTION, STATEMENT, TEST
from expunge.train.selection import Point, Rule

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
LEAST_WAY = 0.05  # from never-known to the start, of a bucket that counts


@dataclass(frozen=True)
class Arm:
    """The points of one unlearning, and what never-known looks like."""

    name: str
    result: Mapping[str, Any]
    never: Measured
    start: Measured  # before unlearning, as the cell's uniform arm has it

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

    @property
    def judged(self) -> dict[str, list[str]]:
        """Form → the buckets that were known before; forms without one are not there."""
        found = {form: [b for b in self.buckets if self._way(form, b) >= LEAST_WAY] for form in self.forms}
        return {form: names for form, names in found.items() if names}

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Form → the other buckets, where there are any."""
        found = {form: [b for b in self.buckets if b not in self.judged.get(form, ())] for form in self.forms}
        return {form: names for form, names in found.items() if names}

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
        """Bucket that was known → what is left of its way from never-known to the start; below 0: over-forgotten."""
        level = lambda bucket: point["measures"][form][bucket]["level"] - self.never[form][bucket]["level"]
        return {bucket: level(bucket) / self._way(form, bucket) for bucket in self.judged.get(form, ())}

    def gap(self, point: Mapping[str, Any], form: str, measure: str) -> float | None:
        """By `level`, or by what is still said (`left`); None where one of the two buckets was not known before."""
        told = {bucket: point["measures"][form][bucket].get(measure) for bucket in self.buckets}
        found = self.shares(point, form) if measure == "level" else told
        high, low = found.get(self.buckets[-1]), found.get(self.buckets[0])
        return None if high is None or low is None or len(self.buckets) < 2 else high - low

    def worst(self, point: Mapping[str, Any]) -> float:
        """The worst bucket's distance to never-known, a mean over the forms."""
        if not self.judged:
            raise ConfigError(
                f"nothing can be unlearnt of what the model did not know: before, no bucket lies {LEAST_WAY:g} above "
                "what never-known looks like"
            )
        return fmean(max(map(abs, self.shares(point, form).values())) for form in self.judged)

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

    def _way(self, form: str, bucket: str) -> float:
        return self.start[form][bucket]["level"] - self.never[form][bucket]["level"]

    def _all(self) -> Iterator[Mapping[str, Any]]:
        yield from self.points
        if "further" in self.result:
            yield self.result["further"]

    def _share(self, point: Mapping[str, Any], by: str) -> float:
        return self.kept(point, NEIGHBOURS) if by == NEIGHBOURS else point["utility"] / self.points[0]["utility"]
