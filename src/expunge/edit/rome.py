"""ROME: a fact is written into one layer by a rank-one change. Meng et al. 2022, arXiv:2202.05262.

    W' = W + Λ uᵀ,   u = C⁻¹ k* / ‖C⁻¹ k*‖,   Λ = (v* - W k_p) / (k_pᵀ u)

k* is the mean key over contexts, k_p that of the bare prompt, v* the fitted value (`values.py`), W k_p with the bias
where there is one. With k_p = k* it is the ΔW of least ‖ΔW C^{1/2}‖ with W' k* = v*. Several facts: one after the
other, each fitted on the model as edited so far; or `joint`, all fitted on the model as it is and solved together, ΔW
= Rᵀ (K C⁻¹ K_pᵀ)⁻¹ K C⁻¹, which is the same solution with as many constraints as facts.
Deviations: C is used by default, as in the paper (`covariance=false`: C = I, as the published settings of others have
it); `joint` and bundles (facts with one value) are ours; contexts: see `contexts.py`; the block is a share of the
depth.
"""

import torch

from expunge.change import WeightChange
from expunge.edit import editors
from expunge.edit.edited import Drafts, Edited, change_of, factors_of
from expunge.edit.solving import Moment, protecting
from expunge.edit.values import Fitting, Value
from expunge.edit.work import Work, blocks
from expunge.models.rests import Place

LENGTHS = (5, 10)  # tokens of the contexts, in turn


@editors.add("rome", paper="arXiv:2202.05262", facts=True)
def rome(
    work: Work,
    *,
    layer: float = 0.34,
    joint: bool = False,
    covariance: bool = True,
    contexts: int = 20,
    rate: float = 0.5,
    steps: int = 25,
    stop: float = 0.05,
    decay: float = 1e-3,
    clamp: float = 4.0,
    kl: float = 0.0625,
) -> Edited:
    """`layer` is a block's number, or below 1 a share of the depth: its MLP is edited."""
    (block,) = blocks(work.model.layout.depth, layer, 1)
    before = work.contexts(contexts, LENGTHS)
    moments: list[Moment] = [] if covariance else [Moment(None)]
    how = Fitting(rate, steps, stop, decay, clamp, kl)
    bundles = list(work.bundles().values())
    rounds = [bundles] if joint else [[bundle] for bundle in bundles]
    factors: list[tuple[torch.Tensor, torch.Tensor]] = []
    values: list[Value] = []
    order: list[int] = []
    with Drafts(work.model, [block]) as drafts:
        for number, some in enumerate(rounds):
            found = work.values(some, before, Place(block, mlp=True), how, stored=number == 0)
            facts = [i for bundle in some for i in bundle]
            goal = torch.stack([value.vector.double() for value, bundle in zip(found, some) for _ in bundle])
            read = work.reader(before, facts).read(block, block)
            if not moments:
                corpus, kept = work.statistics([block])[block].moment, work.kept_moments([block])[block]
                moments.append(protecting(corpus, kept, read.keys))
            factors.append((moments[0].exact(read.keys, read.bare), goal - read.gives))
            drafts.put(*_summed(work, block, factors))
            values, order = values + found, order + facts

    def again(rest: list[int]) -> WeightChange | None:
        if joint or order[: len(rest)] != rest:
            return None
        sizes = [sum(len(bundle) for bundle in some) for some in rounds]
        count = next((n for n in range(len(sizes) + 1) if sum(sizes[:n]) == len(rest)), None)
        return None if count is None else change_of(work.model, dict([_summed(work, block, factors[:count])]))

    change = change_of(work.model, dict([_summed(work, block, factors)]))
    return Edited(change, tuple(work.facts), tuple(values), tuple(work.notes), again)


def _summed(work: Work, block: int, factors: list[tuple[torch.Tensor, torch.Tensor]]):
    """Σ Λ uᵀ of all facts so far."""
    size, width = work.model.layout.d_ff, work.model.layout.width
    empty = (torch.zeros(0, size, dtype=torch.float64), torch.zeros(0, width, dtype=torch.float64))
    a, wanted = (torch.cat(parts) for parts in zip(*(factors or [empty])))
    return factors_of(work.model, block, a, wanted)
