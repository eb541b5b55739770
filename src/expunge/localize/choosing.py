"""From scores to units: the highest over all layers at once, as many as the budget allows."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.errors import ConfigError


def highest(
    scores: Float[Tensor, " units"], sizes: Int[Tensor, " units"], budget: float, *, of: str = "units"
) -> Bool[Tensor, " units"]:
    """The units with the highest scores; among equals those that come first.

    `of` "units": ⌊budget · units⌋ of them. `of` "weights": the units in order of their scores, as long as their weights
    are at most ⌊budget · all weights⌋. A score of -∞ is never chosen.

    Raises ConfigError for scores that are not numbers, and for a budget that no unit fits in or that needs more units
    than there are to choose from.

    >>> from torch import tensor
    >>> highest(tensor([1.0, 3.0, 2.0, 3.0]), tensor([1, 1, 1, 1]), 0.5).tolist()
    [False, True, False, True]
    """
    if bool(scores.isnan().any()):
        raise ConfigError(f"{int(scores.isnan().sum())} of {len(scores)} scores are not numbers: nothing can be chosen")
    free = int((scores > -torch.inf).sum())
    if of == "weights" and bool((sizes != sizes[0]).any()):
        order = scores.sort(descending=True, stable=True).indices[:free]
        fit = sizes[order].cumsum(0) <= share_of(budget, int(sizes.sum()))
        wanted = int(fit.sum())
        left = share_of(budget, int(sizes.sum())) - int(sizes[order[:wanted]].sum())
        if wanted == free < len(scores) and left >= int(sizes[scores == -torch.inf].min()):
            raise ConfigError(
                f"a budget of {budget:g} leaves {left} weights over when all {free} units that can be chosen are: "
                "lower it"
            )
        chosen = torch.zeros(len(scores), dtype=torch.bool).index_fill_(0, order[:wanted], True)
    else:
        wanted = share_of(budget, len(scores))
        chosen = _top(scores, min(wanted, free))
    if not 0 < wanted <= free:
        raise ConfigError(
            f"a budget of {budget:g} is {wanted} of {len(scores)} units, and {free} can be chosen: change it"
        )
    return chosen


def share_of(budget: float, count: int) -> int:
    """⌊budget · count⌋, where a product that is whole but for rounding counts as whole.

    >>> share_of(0.35, 46_080), int(0.35 * 46_080)
    (16128, 16127)
    """
    return int(budget * count + 1e-9 * count)


def _top(scores: Float[Tensor, " units"], wanted: int) -> Bool[Tensor, " units"]:
    """By a threshold, not by sorting, and by NumPy, which keeps no indices: single weights are many."""
    if not wanted:
        return torch.zeros(len(scores), dtype=torch.bool)
    threshold = float(np.partition(scores.numpy(), len(scores) - wanted)[len(scores) - wanted])
    chosen = scores > threshold
    equal = (scores == threshold).nonzero().flatten()[: wanted - int(chosen.sum())]
    return chosen.index_fill_(0, equal, True)
