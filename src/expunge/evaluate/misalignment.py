"""Misalignment: do what a model generates and how likely it finds the answer tell the same story of forgetting? After
Krishnan et al. 2025, arXiv:2504.05058, who report the two side by side; the formulas are ours.

    g_i = 1[generation wrong after],  p_i = 1[probability test failed after]      over items that passed both before
    M = | mean g - mean p |,   D = mean 1[g_i ≠ p_i],   ρ = the rank correlation of how much each item lost

M is about the set: 0 says that the two rates agree, not that they agree on the same items; D is about items. Under 20
items nothing is given. ρ is Spearman's, of the fall of each item's two values (of 0 and 1 only, that is the phi
coefficient); None where one of them has no spread. Deviations: see above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean
from typing import Any

from expunge.errors import ConfigError

FEWEST = 20


@dataclass(frozen=True, slots=True)
class Misalignment:
    """What the two tests say of the same items."""

    M: float
    D: float
    generation: float  # share forgotten by what is generated
    probability: float  # share forgotten by the probability test
    correlation: float | None
    n: int  # items that passed both tests before


def misalignment(
    generated_before: Sequence[float],
    generated_after: Sequence[float],
    probable_before: Sequence[float],
    probable_after: Sequence[float],
    *,
    threshold: float = 0.5,
) -> Misalignment:
    """From per-example values of a generation test and a probability test, both with 1 for known.

    An item passes a test at `threshold` or above. Raises ConfigError for lists of different length, or fewer than 20
    items that passed both tests before.
    """
    columns = (generated_before, generated_after, probable_before, probable_after)
    if len({len(column) for column in columns}) != 1:
        raise ConfigError(f"misalignment: four values an item are wanted, got {[len(column) for column in columns]}")
    rows = [row for row in zip(*columns) if row[0] >= threshold and row[2] >= threshold]
    if len(rows) < FEWEST:
        raise ConfigError(
            f"misalignment: {len(rows)} of {len(generated_before)} items passed both tests before, and under {FEWEST} "
            "the rates are noise; use a larger set, or a model that knows it"
        )
    g = [float(row[1] < threshold) for row in rows]
    p = [float(row[3] < threshold) for row in rows]
    lost = [row[0] - row[1] for row in rows], [row[2] - row[3] for row in rows]
    apart = fmean(float(a != b) for a, b in zip(g, p))
    return Misalignment(abs(fmean(g) - fmean(p)), apart, fmean(g), fmean(p), _spearman(*lost), len(rows))


def _spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    from scipy.stats import spearmanr  # takes half a second to import

    found: Any = spearmanr(one, other)
    return None if isnan(found.statistic) else float(found.statistic)
