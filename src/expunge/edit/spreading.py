"""Spreading: values of the residual stream are reached by several layers together. Meng et al. 2023, arXiv:2210.07229.

    z_i = value of fact i after block l_m;   for j = 1 … m, ascending, on the model as edited so far:
    r_i = (z_i - h_i^{l_m}) / (m - j + 1),   ΔW_{l_j} = Rᵀ A,   A from the keys at l_j by the editor's own solve

Where a norm stands behind the down projection (Gemma 2 and 3, OLMo 2), it multiplies each number of its output by a
gain that is known at the token, so R is divided by it; what the norm then loses by its own rescaling is met again at
the next layer. A gain below `FLOOR` of the token's mean one leads nowhere: nothing is wanted there. Deviations: the
last three sentences.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.change import Factors, WeightChange
from expunge.edit.edited import Drafts, Edited, change_of, factors_of, torn
from expunge.edit.solving import Factor, Keys, Protected
from expunge.edit.values import Fitting
from expunge.edit.work import Work
from expunge.models.rests import Place

FLOOR = 1e-3
Solve = Callable[[int, Keys], Factor]


def spread_protected(
    work: Work, layers: Sequence[int], how: Fitting, before: Sequence[str],
    solve: Callable[[Protected, Keys], Factor], inserted: float = 0.9, weight: float | None = None,
) -> Edited:  # fmt: skip
    """`spread`, each layer solved against C of the corpus and the retain set's keys there."""
    statistics, kept = work.statistics(layers), work.kept_moments(layers)
    moments: dict[int, Protected] = {}

    def at(layer: int, keys: Keys) -> Factor:
        if layer not in moments:
            moments[layer] = Protected(statistics[layer].moment, kept[layer], inserted, weight)
            work.note_ridge(layer, moments[layer].ridge)
        return solve(moments[layer], keys)

    return spread(work, layers, how, before, at)


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
            wanted = through(goal - read.state, read.gain) / (len(layers) - number)
            name, factors = factors_of(work.model, layer, solve(layer, read.keys), wanted)
            changes[name] = factors
            drafts.put(name, factors)
            seen.append((read.keys, wanted))

    def again(rest: list[int]) -> WeightChange | None:
        if len(layers) > 1 or torn(bundles, rest):
            return None
        keys, wanted = seen[0]
        name, factors = factors_of(work.model, layers[0], solve(layers[0], keys[rest]), wanted[rest])
        return change_of(work, {name: factors})

    return Edited(change_of(work, changes), tuple(work.facts), tuple(values), tuple(work.notes), again)


def through(gap: Float[Tensor, "facts width"], gain: Float[Tensor, "facts width"]) -> Float[Tensor, "facts width"]:
    """What a down projection must give for `gap` to arrive behind a norm that multiplies by `gain`."""
    size = gain.abs()
    open_way = size > FLOOR * size.mean(1, keepdim=True)
    return torch.where(open_way, gap / gain.masked_fill(~open_way, 1.0), 0.0)
