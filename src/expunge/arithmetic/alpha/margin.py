"""By how much the utility must lie above its floor for another half of the retain set to hold the floor, too.

    d_i = u_i - floor · u_i(start)      margin = t · √2 · SE(mean d) · (1 + t · max(0, -γ) / (2 √(2n)))

with t the .95 quantile of Student's t (n - 1), n groups, γ the skewness of their sums. What is tested later is the
same difference on other groups, so its spread counts, not that of the levels: rows that are unlike each other but lose
alike need no margin. The difference of two such means has the variance 2 · SE², whence with mean d ≥ margin in one
half the other falls below its floor about once in twenty times. The factor is for few rows that lose much: a half that
happens to have fewer of them has a higher mean and a smaller SE at once (cov(mean, s²) = γσ³/n), so that t alone is
too sure. It is the first term of the Cornish-Fisher expansion; with few groups and a heavy tail the rest is missed.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from jaxtyping import Float
from torch import Tensor

SURE = 0.95  # of the cases hold on the other half


def margin(values: Float[Tensor, " rows"], start: Float[Tensor, " rows"], floor: float, groups: Sequence[str]) -> float:
    """In units of utility, over groups, whose rows are not independent. A single group is judged by its rows; a single
    row says nothing of others: 0, see `doubt`."""
    from scipy.special import stdtrit

    names = groups if len(set(groups)) > 1 else range(len(groups))
    own = np.unique(np.array(names), return_inverse=True)[1]
    count, rows = int(own.max(initial=-1)) + 1, len(own)
    if count < 2:
        return 0.0
    differences = (values.double() - floor * start.double()).numpy()
    with np.errstate(invalid="ignore"):  # levels that are not finite have no margin, and are not admitted
        sums = np.bincount(own, differences - differences.mean(), count)
        error = sqrt(count / (count - 1) * np.square(sums).sum()) / rows
        skewness = float(np.mean(sums**3) / np.mean(sums**2) ** 1.5)
    t = float(stdtrit(count - 1, SURE))
    tail = max(0.0, -skewness) if sums.any() else 0.0  # without spread there is no tail
    return t * sqrt(2) * error * (1 + t * tail / (2 * sqrt(2 * count)))


def surely(utility: float, start: float, floor: float, margin: float) -> bool:
    """Is the floor held by so much that another half of the same size holds it, too? A floor of 0 always is."""
    return floor == 0 or utility - margin >= floor * start


def doubt(groups: Sequence[str]) -> str:
    """What keeps the margin from saying how far another half may differ; "" for several groups."""
    if len(set(groups)) > 1 or not groups:
        return ""
    if len(groups) == 1:
        return "alpha was chosen by the utility of a single retained row, which says nothing of others"
    return "the utility that chose alpha is that of one group, whose rows say little of other groups"
