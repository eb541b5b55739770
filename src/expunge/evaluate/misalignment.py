"""Misalignment: do what a model generates and how likely it finds the answer tell the same story of forgetting? After
Krishnan et al. 2025, arXiv:2504.05058, who report the two side by side; the formulas are ours.

    g_i = 1[generation wrong after],  p_i = 1[probability test failed after]      over items that passed both before
    M = | mean g - mean p |,   D = mean 1[g_i ≠ p_i],   ρ = the rank correlation of how much each item lost,
    φ = the correlation of g and p

M is about the set: 0 says that the two rates agree, not that they agree on the same items; D is about items. Under 20
items nothing is given. ρ is Spearman's, of the fall of each item's two values, as they were measured: what is said or
not said has two falls only, how likely an answer is has many. ρ and φ are None where one side has no spread. Intervals
are two-sided, of draws of whole groups (`ranks.py`); that of M is of mean g - mean p, folded at 0. Deviations: above.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from expunge.errors import ConfigError
from expunge.evaluate.ranks import Interval, drawn, percentiles, spearman

FEWEST = 20


@dataclass(frozen=True, slots=True)
class Misalignment:
    """What the two tests say of the same items."""

    M: float
    D: float
    generation: float  # share forgotten by what is generated
    probability: float  # share forgotten by the probability test
    correlation: float | None  # of what each item lost
    phi: float | None  # of what is forgotten and what is not
    n: int  # items that passed both tests before
    M_interval: Interval | None = None
    D_interval: Interval | None = None
    correlation_interval: Interval | None = None


def misalignment(
    generated_before: Sequence[float],
    generated_after: Sequence[float],
    probable_before: Sequence[float],
    probable_after: Sequence[float],
    *,
    threshold: float = 0.5,
    probable: float | None = None,
    groups: Iterable[object] | None = None,
    seed: int = 0,
) -> Misalignment:
    """From per-example values of a generation test and a probability test, both with 1 for known.

    An item passes a test at `threshold` or above, the test of probability at `probable` if that is another. Without
    `groups` every item is one. Raises ConfigError for lists of different length, or fewer than 20
    items that passed both tests before.
    """
    columns = (generated_before, generated_after, probable_before, probable_after)
    if len({len(column) for column in columns}) != 1:
        raise ConfigError(f"misalignment: four values an item are wanted, got {[len(column) for column in columns]}")
    table = np.array(columns, dtype=np.float64).T
    known = (table[:, 0] >= threshold) & (table[:, 2] >= (passed := threshold if probable is None else probable))
    rows = table[known]
    if len(rows) < FEWEST:
        raise ConfigError(
            f"misalignment: {len(rows)} of {len(table)} items passed both tests before, and under {FEWEST} the rates "
            "are noise; use a larger set, or a model that knows it"
        )
    g, p = (rows[:, 1] < threshold).astype(np.float64), (rows[:, 3] < passed).astype(np.float64)
    lost = rows[:, 0] - rows[:, 1], rows[:, 2] - rows[:, 3]
    member = [each for each, there in zip(range(len(table)) if groups is None else groups, known, strict=True) if there]
    draws = list(drawn(member, seed=seed))
    return Misalignment(
        M=float(abs(g.mean() - p.mean())), D=float((g != p).mean()), generation=float(g.mean()),
        probability=float(p.mean()), correlation=_number(spearman(*lost)), phi=_number(spearman(g, p)), n=len(rows),
        M_interval=_folded(percentiles([float(g[each].mean() - p[each].mean()) for each in draws])),
        D_interval=percentiles([float((g[each] != p[each]).mean()) for each in draws]),
        correlation_interval=_between(lost, draws),
    )  # fmt: skip


def _between(lost: tuple[np.ndarray, np.ndarray], draws: Sequence[np.ndarray]) -> Interval | None:
    one, two = lost
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    return percentiles([spearman(one[each], two[each]) for each in draws])


def _folded(interval: Interval | None) -> Interval | None:
    """Of a difference that of its size.

    >>> _folded((-0.25, 0.125)), _folded((-0.5, -0.25))
    ((0.0, 0.25), (0.25, 0.5))
    """
    if interval is None:
        return None
    low, high = sorted(map(abs, interval))
    return (0.0, high) if interval[0] <= 0 <= interval[1] else (low, high)


def _number(value: float) -> float | None:
    return None if isnan(value) else value
