"""The bootstrap interval of a mean: whole groups are drawn, bias-corrected and accelerated (BCa).

Efron 1987, "Better bootstrap confidence intervals"; computed by `scipy.stats.bootstrap`. One draw takes as
many groups as there are, with replacement, and the statistic of a draw is Σ sums / Σ counts over the drawn
groups, so that a mean over examples stays one when the groups differ in size.

Where the bootstrap has nothing to say it is not used:
- one group: no interval (None);
- all values equal, with known bounds [a, b] (a share, a probability): the Clopper–Pearson argument. Had a
  part p = 1 - ((1 - level)/2)^(1/n) of the population another value, n groups would have shown one, so the
  mean lies between v - p(v - a) and v + p(b - v). None of 15 answers given is [0, 0.22], not [0, 0];
- all values equal, without bounds: the point itself, and the note says that it is too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from expunge.data.example import Example

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How an interval is drawn. `groups` has an entry for each example; None: every example is its own
    group."""

    groups: tuple[str, ...] | None = None
    seed: int = 0
    level: float = 0.95
    draws: int = 2000

    @staticmethod
    def of(examples: Sequence[Example], seed: int = 0) -> "Resampling":
        """Draw whole groups (persons, documents) where the examples name them, else single examples."""
        if all(example.group is None for example in examples):
            return Resampling(seed=seed)
        names = (f"id {e.id}" if e.group is None else f"group {e.group}" for e in examples)
        return Resampling(groups=tuple(names), seed=seed)


SINGLY = Resampling()  # every example is its own group


def interval_of(
    sums: Float[np.ndarray, " examples"],
    counts: Float[np.ndarray, " examples"],
    resampling: Resampling,
    bounds: Bounds | None = None,
) -> tuple[tuple[float, float] | None, str]:
    """The interval of Σ sums / Σ counts over examples, and a note where it is not the plain bootstrap."""
    sums, counts = _by_group(sums, counts, resampling.groups)
    n, draw = len(sums), "group" if resampling.groups else "example"
    if n < 2:
        return None, f"one {draw}: no interval"
    values = sums / counts
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return all_equal(float(values[0]), n, draw, resampling.level, bounds)
    if resampling.draws < 2:
        return None, ""  # the caller wants the values only
    return _bootstrap(sums, counts, resampling), f"bootstrap over {n} groups" if resampling.groups else ""


def _by_group(
    sums: Float[np.ndarray, " examples"],
    counts: Float[np.ndarray, " examples"],
    groups: tuple[str, ...] | None,
) -> tuple[Float[np.ndarray, " groups"], Float[np.ndarray, " groups"]]:
    """Totals per group, sorted, so that the order of the examples cannot change an interval."""
    if groups is not None:
        if len(groups) != len(sums):
            raise ValueError(f"{len(groups)} groups for {len(sums)} examples: each example needs its group")
        index = np.unique(np.array(groups), return_inverse=True)[1]
        order = np.lexsort((counts, sums))  # sums of floats depend on their order
        sums, counts = (np.bincount(index[order], weights=x[order]) for x in (sums, counts))
    order = np.lexsort((counts, sums))
    return sums[order], counts[order]


def all_equal(value: float, n: int, draw: str, level: float, bounds: Bounds | None) -> tuple[tuple[float, float], str]:
    if bounds is None:
        return (
            value,
            value,
        ), f"all {n} {draw}s equal: the bootstrap has no spread, the interval is too narrow"
    unseen = 1 - ((1 - level) / 2) ** (1 / n)
    low, high = value - unseen * (value - bounds[0]), value + unseen * (bounds[1] - value)
    return (low, high), f"all {n} {draw}s equal: exact (Clopper–Pearson) interval in place of the bootstrap"


def _bootstrap(
    sums: Float[np.ndarray, " groups"], counts: Float[np.ndarray, " groups"], resampling: Resampling
) -> tuple[float, float]:
    from scipy.stats import bootstrap  # takes half a second to import

    interval = bootstrap(
        (sums, counts), _ratio, paired=True, vectorized=True, method="BCa", n_resamples=resampling.draws,
        confidence_level=resampling.level, batch=max(1, 4_000_000 // len(sums)),
        rng=np.random.default_rng(resampling.seed),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def _ratio(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return x.sum(axis) / y.sum(axis)
