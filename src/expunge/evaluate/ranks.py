"""Spearman's rank correlation with its interval: how well one column orders examples as another does.

    ρ = Pearson's correlation of the ranks, ties sharing theirs

The interval is that of the percentiles of a bootstrap that draws whole groups (persons, documents): copies of a fact
within its group add nothing to what is known. No deviations.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

DRAWS = 2000
FEWEST = 5  # groups: draws of fewer say nothing
Interval = tuple[float, float]
Seed = int | Sequence[int]


def rank_correlation(
    one: Sequence[float],
    two: Sequence[float],
    groups: Iterable[object] | None = None,
    *,
    seed: Seed = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> tuple[float, Interval | None]:
    """ρ and its interval. NaN where one side is constant; None with fewer than 5 groups. Else each row is a group.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    (0.8, None)
    """
    x, y = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    rho = spearman(x, y)
    if np.isnan(rho):
        return rho, None
    rows = drawn(range(len(x)) if groups is None else groups, draws=draws, seed=seed)
    return rho, percentiles([spearman(x[each], y[each]) for each in rows], level)


def spearman(x: Float[np.ndarray, " rows"], y: Float[np.ndarray, " rows"]) -> float:
    """ρ, or NaN."""
    from scipy.stats import rankdata  # takes half a second to import

    left, right = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return round(float(left @ right) / scale, 12) if scale else float("nan")


def drawn(groups: Iterable[object], *, seed: Seed, draws: int = DRAWS) -> Iterator[Int[np.ndarray, " rows"]]:
    """The rows of each draw: as many groups as there are, with replacement. Nothing with fewer than 5 of them."""
    names, member = np.unique(list(groups), return_inverse=True)  # type: ignore[reportCallIssue]
    if len(names) < FEWEST:
        return
    rows = [np.flatnonzero(member == i) for i in range(len(names))]
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.concatenate([rows[i] for i in generator.integers(len(rows), size=len(rows))])


def percentiles(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """The interval that draws give; None without any that is a number."""
    known = [each for each in values if not np.isnan(each)]
    if not known:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
