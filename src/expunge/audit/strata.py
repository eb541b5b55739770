"""An audit's cells by frequency: the same draws, the same controls, bucket by bucket, and the slope on log count.

    excess_b = k_u - k_r on bucket b        residual slope: of (u - r) on log10(1 + count), example by example

Where facts are ordered by a proxy in place of counts, the slope is on their ranks, from 0 (the rarest) to 1.

A mean over the whole set may hide that rare facts are gone (or more than gone) and frequent ones are not. Retrained
models are compared on the bucket's own examples; twins and the holdout set have no counts, so all of them stand for
every bucket. Intervals are two-sided at 95 %, from the audit's one bootstrap over groups. Nothing here is a cell of the
panel, and the never-knew rate stays what it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from expunge.audit.cells import Sources
from expunge.audit.draws import Draws, Sample, Values, bounds, is_constant
from expunge.audit.never_knew import Scored
from expunge.config import By
from expunge.data.example import Example
from expunge.frequency.ordering import FIELDS, scale_of, values_of
from expunge.frequency.strata import Bucket, buckets, slopes
from expunge.record_strata import InBucket, Interval, Slope, Strata, StratifiedCell, Stratum

_SIDE = 0.975  # of each side of an interval


class _Of(NamedTuple):
    """One set in buckets."""

    x: Sequence[float | None]  # what slopes are taken on
    buckets: tuple[Bucket, ...]
    draws: Draws


def strata_of(
    cells: Sequence[Scored], sources: Sources, draws: Draws, edges: Sequence[float] | None = None, by: By = "count"
) -> tuple[Strata, ...]:
    """Of every set whose examples have counts (or a proxy's values) that fall into two buckets or more."""
    found = []
    for title in dict.fromkeys(cell.of for cell in cells):
        counts = values_of(sources.sets[title], by)
        several = buckets(counts, edges)
        if sum(each.least is not None for each in several) < 2:
            continue
        own, of = [cell for cell in cells if cell.of == title], _Of(_scaled(counts, by), several, draws)
        told = tuple(Stratum(name=each.name, n=len(each.rows), least=each.least, most=each.most) for each in several)
        found.append(Strata(set=title, by=by, buckets=told, cells=tuple(_cell(each, of) for each in own)))
    return tuple(found)


def one_bucket(title: str, examples: Sequence[Example], edges: Sequence[float] | None, by: By) -> str:
    """A note, where all values of a set fall into one bucket, so that it has no strata; "" elsewhere."""
    values = values_of(examples, by)
    counted = [each for each in buckets(values, edges) if each.least is not None]
    if len(counted) != 1:
        return ""
    (only,) = counted
    span = f"{only.least:g}" if only.least == only.most else f"{only.least:g} to {only.most:g}"
    return (
        f"{title}: nothing is told by frequency, for all {len(only.rows)} values of `{FIELDS[by]}` ({span}) fall into "
        "one bucket: set other `edges`"
    )


def _scaled(values: Sequence[float | None], by: By) -> list[float | None]:
    known = iter(scale_of([value for value in values if value is not None], by).tolist())
    return [None if value is None else next(known) for value in values]


def _cell(cell: Scored, of: _Of) -> StratifiedCell:
    return StratifiedCell(
        name=cell.name, family=cell.family, part=cell.part,
        values=tuple(_in_bucket(cell, of, bucket) for bucket in of.buckets),
        original=_slope(cell, cell.original, of), residual=_slope(cell, cell.unlearned, of),
    )  # fmt: skip


def _in_bucket(cell: Scored, of: _Of, bucket: Bucket) -> InBucket:
    inside = set(bucket.rows)
    original, unlearned = (_within(each, inside) for each in (cell.original, cell.unlearned))
    n = len(original.scores)
    if not n:
        return InBucket(n=0)
    paired = cell.controls_of == cell.of
    controls = [_within(each, inside) if paired else each for each in cell.controls.values()]
    controls = [each for each in controls if each.scores]
    drawn = {"original": of.draws.knowledge(original, cell.of), "unlearned": of.draws.knowledge(unlearned, cell.of)}
    k: dict[str, float | None] = {"original": original.knowledge, "unlearned": unlearned.knowledge}
    groups = min(each.n_groups for each in (original, *controls))
    if controls:
        drawn["control"] = of.draws.mixed([of.draws.knowledge(each, cell.controls_of) for each in controls])
        k["control"] = float(np.mean([each.knowledge for each in controls]))
    intervals = {label: _clipped(_interval(values, groups)) for label, values in drawn.items()}
    if not controls:
        return InBucket(n=n, k=k, intervals=intervals)
    never = float(np.mean([each.knowledge for each in controls]))
    excess = _interval(drawn["unlearned"] - drawn["control"], groups)
    return InBucket(n=n, k=k, intervals=intervals, excess=unlearned.knowledge - never, excess_interval=excess)


def _slope(cell: Scored, sample: Sample, of: _Of) -> Slope:
    """Of what a model knows over the control. An unpaired control is one level for all: it has no slope."""
    several = [sample, *(cell.controls.values() if cell.controls_of == cell.of else ())]
    drawn = [_slopes(each, cell, of) for each in several]
    if any(each is None for each in drawn):
        return Slope()
    (point, values), *others = [each for each in drawn if each is not None]
    if others:
        point -= float(np.mean([each for each, _ in others]))
        values = values - of.draws.mixed([each for _, each in others])
    if not np.isfinite(point):
        return Slope()
    reach = np.ptp([x for x in of.x if x is not None])
    return Slope(value=point, interval=_interval(values, sample.n_groups, unit=1 / float(reach)))


def _slopes(sample: Sample, cell: Scored, of: _Of) -> tuple[float, Values] | None:
    """The slope, and that of every draw; None where fewer than two counts are there."""
    rows = sample.rows or range(len(sample.scores))
    counted = {row for row in rows if of.x[row] is not None}
    inside = _within(sample, counted)
    x = np.array([at for row in rows if row in counted and (at := of.x[row]) is not None])
    if len(set(x.tolist())) < 2:
        return None
    values = inside.each
    point = slopes(values, x, np.ones((1, len(x))))
    return float(point[0]), slopes(values, x, of.draws.weights(cell.of, inside.groups))


def _within(sample: Sample, rows: set[int]) -> Sample:
    """Only these rows of the set."""
    places = sample.rows or range(len(sample.scores))
    kept = [i for i, row in enumerate(places) if row in rows]
    return replace(
        sample, scores=tuple(sample.scores[i] for i in kept), groups=tuple(sample.groups[i] for i in kept),
        rows=tuple(places[i] for i in kept),
    )  # fmt: skip


def _interval(values: Values, groups: int, unit: float = 1.0) -> Interval:
    """None for fewer than five groups. `unit`: what a score of 1 is in these values."""
    if is_constant(values):
        low, high = bounds(values / unit, groups, level=_SIDE)
        low, high = low * unit, high * unit
    else:
        low, high = bounds(values, groups, level=_SIDE)
    return None if not np.isfinite(low) or not np.isfinite(high) else (low, high)


def _clipped(interval: Interval) -> Interval:
    """Knowledge lies between 0 and 1."""
    low, high = interval or (None, None)
    return None if low is None or high is None else (min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0))
