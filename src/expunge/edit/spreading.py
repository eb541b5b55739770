"""Spreading: values of the residual stream are reached by several layers together. Meng et al. 2023, arXiv:2210.07229.

    z_i = value of fact i after block l_m;   for j = 1 … m, ascending, on the model as edited so far:
    r_i = (z_i - h_i^{l_m}) / (m - j + 1),   ΔW_{l_j} = Rᵀ A,   A from the keys at l_j by the editor's own solve

Where a norm stands behind the down projection (Gemma 2 and 3, OLMo 2), it multiplies each number of its output by a
gain that is known at the token, so R is divided by it; what the norm then loses by its own rescaling is met again at
the next layer. Deviations: the last sentence.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.change import Factors, WeightChange
from expunge.edit.edited import Drafts, Edited, change_of, factors_of
from expunge.edit.values import Fitting
from expunge.edit.work import Work
from expunge.models.rests import Place

Solve = Callable[[int, Float[Tensor, "facts d_ff"]], Float[Tensor, "facts d_ff"]]


def spread(work: Work, layers: Sequence[int], how: Fitting, before: Sequence[str], solve: Solve) -> Edited:
    """Edit the layers by `solve`: layer, keys of the facts → A."""
    bundles = list(work.bundles().values())
    values = work.values(bundles, before, Place(layers[-1]), how)
    goal = torch.empty(len(work.facts), work.model.layout.width, dtype=torch.float64)
    for bundle, value in zip(bundles, values):
        goal[bundle] = value.vector.double()
    changes: dict[str, Factors] = {}
    seen: list[tuple[Tensor, Tensor]] = []
    reader = work.reader(before, range(len(work.facts)))
    with Drafts(work.model, layers) as drafts:
        for number, layer in enumerate(layers):
            work.tick(0, f"layer {layer}")
            read = reader.read(layer, layers[-1])
            wanted = (goal - read.state) / read.gain / (len(layers) - number)
            name, factors = factors_of(work.model, layer, solve(layer, read.keys), wanted)
            changes[name] = factors
            drafts.put(name, factors)
            seen.append((read.keys, wanted))

    def again(rest: list[int]) -> WeightChange | None:
        if len(layers) > 1 or _torn(bundles, rest):
            return None
        keys, wanted = seen[0]
        name, factors = factors_of(work.model, layers[0], solve(layers[0], keys[rest]), wanted[rest])
        return change_of(work.model, {name: factors})

    return Edited(change_of(work.model, changes), tuple(work.facts), tuple(values), tuple(work.notes), again)


def _torn(bundles: Sequence[Sequence[int]], rest: Sequence[int]) -> bool:
    """Whether a bundle would lose some of its facts and keep others: its value was fitted for all."""
    left = set(rest)
    return any(0 < len(left & set(bundle)) < len(bundle) for bundle in bundles)
