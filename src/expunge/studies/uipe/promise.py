"""Does the floor hold on the other half? Asked of many cuts of the retained rows.

A cell chooses α on one half, and all methods of a seed share the cut: a handful of cuts says little of how often a rule
keeps its promise. So the levels of all retained rows are measured along α once, from the early checkpoint, and the rule
(the largest α with the floor surely held, at most the one that reaches never-known, below 0 where a part of the change
has to be taken back) chooses on one half of each cut. Between measured α levels are interpolated. The checkpoint stays
that of the cell, and was chosen on its cut. Unlike `nearest` the rule looks no further than α = 1, and at levels alone:
it asks of the floor, not of overshoot.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from expunge.arithmetic.alpha.candidates import BACK
from expunge.arithmetic.alpha.margin import margin, surely

CUTS = 200
AT = (*BACK, 0.0, 0.25, 0.5, 0.75, 1.0)  # α at which levels are measured
STEP = 0.0125  # of the α that are tried


def promised(
    levels: Float[Tensor, "alphas rows"], start: Float[Tensor, " rows"], forget: Float[Tensor, " alphas"], never: float,
    groups: Sequence[str], floor: float, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Over the cuts in which some α surely holds the floor: how many they are, in how many the rule chose an α above 0,
    and in how many of both kinds the other half holds the floor. A single group has no other half."""
    tried = STEP * np.arange(round(AT[0] / STEP), round(AT[-1] / STEP) + 1)
    tried = tried[tried <= reaching(forget, never)]
    own = np.unique(np.array(groups), return_inverse=True)[1]
    dense = torch.tensor(interpolated(levels.double().numpy(), tried))
    counts = {"cuts": 0, "held": 0, "further": 0, "held further": 0}
    generator = np.random.default_rng([seed, 6])
    for _ in range(CUTS if own.max() else 0):
        order = generator.permutation(own.max() + 1)
        first = torch.tensor(np.isin(own, order[: (len(order) + 1) // 2]))
        names = [groups[int(i)] for i in first.nonzero()]
        index = chosen(dense[:, first], start[first], names, floor)
        if index is None:
            continue
        holds = float(dense[index][~first].mean()) >= floor * float(start[~first].double().mean())
        counts["cuts"] += 1
        counts["held"] += holds
        counts["further"] += bool(tried[index] > 0)
        counts["held further"] += bool(tried[index] > 0 and holds)
    return counts


def chosen(
    levels: Float[Tensor, "alphas rows"], start: Float[Tensor, " rows"], groups: Sequence[str], floor: float
) -> int | None:
    """The index of the largest α with the floor surely held; None where there is none."""
    first = float(start.double().mean())
    for index in range(len(levels) - 1, -1, -1):
        kept = float(levels[index].mean())  # the margin is worked out only where it can matter
        if kept >= floor * first and surely(kept, first, floor, margin(levels[index], start, floor, groups)):
            return index
    return None


def reaching(forget: Float[Tensor, " alphas"], never: float) -> float:
    """The smallest α at which the forget level is never-known, between those at which it was measured; else the last.

    >>> reaching(torch.tensor([0.9, 0.9, 0.9, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1]), 0.6)
    0.375
    """
    values = forget.tolist()
    for i in range(len(values) - 1):
        if values[i] > never >= values[i + 1]:
            return round(AT[i] + (AT[i + 1] - AT[i]) * (values[i] - never) / (values[i] - values[i + 1]), 6)
    return AT[-1] if values[0] > never else AT[0]


def interpolated(levels: Float[np.ndarray, "alphas rows"], tried: Float[np.ndarray, " tried"]) -> np.ndarray:
    return np.stack([np.interp(tried, AT, row) for row in levels.T], axis=1)
