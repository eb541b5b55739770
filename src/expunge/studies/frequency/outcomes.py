"""What is read off a cell and its arms: steps until facts are forgotten, and what is left at equal utility.

    until      the mean number of steps for which a fact that was said before still is, `steps` at most: the area under
               the share that still is (trapezoids; facts that come back count again)
    half       the step at which half of them are no longer said, between points by a line; infinite: never
    residual   mean over the forms of  max_b |level_b - never_b| / (start_b - never_b),
               at the point where that is smallest among those that keep at least a share of the utility
    gap        at that point: the most frequent bucket's minus the rarest's (level_b - never_b) / (start_b - never_b),
               or share still said of what was said before

The residual is the worst bucket's: forgetting the rest does not make up for it, and over-forgetting counts. A bucket
whose way start_b - never_b is under 0.1 is left out of it, form by form: the model hardly knew it, and the share of
hardly any way would decide everything. For what is said a bucket counts as none where fewer than 5 of its facts were
said before. What is left out is decided by the start, once for all arms of a cell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean
from typing import Any

import numpy as np

from expunge.errors import ConfigError
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.scene import ALL, NEIGHBOURS, QUESTION, STATEMENT, TEST
from expunge.train.selection import Point, Rule

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
LEAST_WAY = 0.1  # from never-known to the start, of a bucket that counts
FEWEST_SAID = 5  # facts of a bucket that were said before, for a share of them to tell anything


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

    # ---- what is said

    def said_before(self, form: str, bucket: str) -> int:
        """How many facts of a bucket."""
        return int(self.start[form][bucket].get("known", 0))

    def left(self, point: Mapping[str, Any], form: str, bucket: str) -> float | None:
        """Share of them that still are; None where they were too few."""
        if self.said_before(form, bucket) < FEWEST_SAID:
            return None
        return point["measures"][form][bucket]["left"]

    def curve(self, form: str, bucket: str) -> list[tuple[int, float]]:
        """That share over the steps; [] where they were too few."""
        found = [(point["step"], self.left(point, form, bucket)) for point in self.points]
        return [(step, value) for step, value in found if value is not None]

    def until(self, form: str, bucket: str, steps: int) -> float | None:
        """The restricted mean number of steps; what stops earlier stays as it was there, None where they were too
        few."""
        if not (curve := self.curve(form, bucket)):
            return None
        at, share = zip(*curve, strict=True)
        ends = [*(step for step in at if step < steps), steps]
        return float(np.trapezoid(np.interp(ends, at, share), ends))

    def half(self, form: str, bucket: str) -> float | None:
        """The step at which half of what was said is no longer; infinite: never, None: they were too few."""
        if not (curve := self.curve(form, bucket)):
            return None
        for (a, x), (b, y) in pairwise(curve):
            if x >= 0.5 > y:
                return a + (b - a) * (x - 0.5) / (x - y)
        return inf

    def midway(self, form: str) -> Mapping[str, Any] | None:
        """The point at which the share still said, of all that was, is nearest to one half; the earlier of two."""
        if self.said_before(form, ALL) < FEWEST_SAID:
            return None
        return min(self.points, key=lambda point: abs(point["measures"][form][ALL]["left"] - 0.5))

    # ---- at equal utility

    def shares(self, point: Mapping[str, Any], form: str) -> dict[str, float]:
        """Bucket that was known → what is left of its way from never-known to the start; below 0: over-forgotten."""
        level = lambda bucket: point["measures"][form][bucket]["level"] - self.never[form][bucket]["level"]
        return {bucket: level(bucket) / self._way(form, bucket) for bucket in self.judged.get(form, ())}

    def gap(self, point: Mapping[str, Any], form: str, measure: str) -> float | None:
        """By `level`, or by what is still said (`left`); None where one of the two buckets was not known before."""
        said = {bucket: self.left(point, form, bucket) for bucket in self.buckets}
        found = self.shares(point, form) if measure == "level" else said
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
        return min((point for point in self._all() if self.holds(point, floor, by)), key=self.worst)

    def holds(self, point: Mapping[str, Any], floor: float, by: str = "utility") -> bool:
        """Whether it keeps at least this share."""
        return self._share(point, by) >= floor

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


@dataclass(frozen=True)
class Cell:
    """The result of one method on one model."""

    result: Mapping[str, Any]

    @property
    def seed(self) -> int:
        return self.result["seed"]

    def arm(self, name: str = UNIFORM) -> Arm:
        arms = self.result["arms"]
        return Arm(name, arms[name], self.result["never"], arms[UNIFORM]["points"][0]["measures"])

    def has(self, name: str) -> bool:
        return name in self.result["arms"]

    @property
    def has_neighbours(self) -> bool:
        """Only the world's persons have."""
        return NEIGHBOURS in self.arm().start
