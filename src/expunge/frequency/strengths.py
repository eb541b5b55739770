"""How hard each example is unlearned, by how often it stood in the corpus. Asked for by Krishnan et al., 2504.05058.

    w_i = (1 + log(1 + c_i))^p / mean over the set,        c_i the count, p the power

w_i multiplies the example's forget loss. A fact that was counted 0 times keeps a weight; one that was never counted has
w = 1, what it has without weights. p = 0 gives 1 for all, exactly. Of a proxy, which only orders, the ranks r from 0
to 1 stand in: log(1 + c_i) = r_i log(1 + 99), as if counts lay evenly, by their logarithm, between 0 and 99.

Deviations: the paper has no such method; the formula and the stand-in for proxies are ours.
"""

from collections.abc import Sequence

import numpy as np

from expunge.config import By, StrengthConfig
from expunge.data.example import Example
from expunge.frequency.ordering import required_values, shares

RANGE = 99  # what a proxy's most frequent fact counts as


def strengths(values: Sequence[float | None], power: float, by: By = "count") -> list[float]:
    """w of every example; its mean over the set is 1.

    >>> [round(w, 3) for w in strengths([0, 9, None], 1.0)]
    [0.465, 1.535, 1.0]
    """
    known = [value for value in values if value is not None]
    logs = np.log1p(np.asarray(known)) if by == "count" else shares(known) * np.log1p(RANGE)
    raw = (1.0 + logs) ** power
    found = iter((raw / raw.mean()).tolist() if len(raw) else ())
    return [1.0 if value is None else next(found) for value in values]


def strengths_of(examples: Sequence[Example], config: StrengthConfig) -> list[float]:
    """Of a forget set. Raises DataError where no example has what they go by."""
    return strengths(required_values(examples, config.by, "strength"), config.power, config.by)
