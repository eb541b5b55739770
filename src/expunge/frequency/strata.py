"""Strata: a set in buckets of frequency, since a mean hides what frequent facts do.

By tertiles of the counts, after arXiv:2504.05058, or by edges that are given: with 10 and 100 the buckets are 0 to 9,
10 to 99, and 100 and more. What has no count is a bucket of its own, so that buckets add up to the whole. Counts that
many examples share can make tertiles unequal, or two of them one. Proxies are cut alike.

    slope   of values y on x, by least squares: Σ (x - x̄)(y - ȳ) / Σ (x - x̄)²

With x = log10(1 + count) it is the change that a tenfold count brings. Deviations: the paper cuts at the quantiles .33
and .67, here it is at 1/3 and 2/3, and at counts that occur (the inverse of the distribution, nothing is interpolated);
edges and slope are ours.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

NAMES = {1: ("all",), 2: ("low", "high"), 3: ("low", "medium", "high")}
UNCOUNTED = "not counted"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Counts (or values of a proxy) from `least` to `most`, both inside; None: examples without one."""

    name: str
    rows: tuple[int, ...]  # places of its examples
    least: float | None = None
    most: float | None = None


def buckets(counts: Sequence[float | None], edges: Sequence[float] | None = None) -> tuple[Bucket, ...]:
    """Those that hold an example, from rare to frequent; () where no example has a count.

    >>> [(each.name, each.least, each.most) for each in buckets([1, 3, 9, 27, 1, 3, 9, 27])]
    [('low', 1, 3), ('medium', 9, 9), ('high', 27, 27)]
    """
    known = sorted(each for each in counts if each is not None)
    if not known:
        return ()
    # what equals a quantile is in the bucket below it, what equals an edge in the one above
    cuts = [float(np.quantile(known, share, method="inverted_cdf")) for share in (1 / 3, 2 / 3)]
    steps = sorted({*(cuts if edges is None else edges)})
    above = bisect_left if edges is None else bisect_right
    inside: dict[int, list[int]] = {}
    for place, count in enumerate(counts):
        inside.setdefault(-1 if count is None else above(steps, count), []).append(place)
    lost, several = inside.pop(-1, []), [inside[step] for step in sorted(inside)]
    found = []
    for name, rows in zip(_names(len(several)), several, strict=True):
        own = [count for row in rows if (count := counts[row]) is not None]
        found.append(Bucket(name, tuple(rows), min(own), max(own)))
    return (*found, *([Bucket(UNCOUNTED, tuple(lost))] if lost else []))


def slopes(
    values: Float[np.ndarray, " rows"],
    x: Float[np.ndarray, " rows"],
    weights: Float[np.ndarray, "draws rows"],
) -> Float[np.ndarray, " draws"]:
    """The slope under each row of weights; not a number where all that weighs has one x.

    >>> float(slopes(np.array([0.0, 0.5, 1.0]), np.log10([1.0, 10.0, 100.0]), np.ones((1, 3)))[0])
    0.5
    """
    total = weights.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = weights @ x / total
        spread = weights @ x**2 - total * centre**2
        found = (weights @ (x * values) - centre * (weights @ values)) / spread
    return np.where(spread > 1e-9, found, np.nan)


def _names(number: int) -> Sequence[str]:
    return NAMES.get(number) or [f"bucket {i + 1}" for i in range(number)]
