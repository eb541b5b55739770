"""ROME: a fact is written into one layer by a rank-one change. Meng et al. 2022, arXiv:2202.05262.

    W' = W + Λ uᵀ,   u = C⁻¹ k* / ‖C⁻¹ k*‖,   Λ = (v* - W k_p) / (k_pᵀ u)

k* is the mean key over contexts, k_p that of the bare prompt, v* the fitted value (`values.py`), W k_p with the bias
where there is one. With k_p = k* it is the ΔW of least ‖ΔW C^{1/2}‖ with W' k* = v*. Several facts: one after the
other, each fitted on the model as edited so far; or `joint`, all fitted on the model as it is and solved together, ΔW
= Rᵀ (K C⁻¹ K_pᵀ)⁻¹ K C⁻¹, which is the same solution with as many constraints as facts.
Deviations: C is used by default, as in the paper (`covariance=false`: C = I, as the published settings of others have
it); the keys of the retain set stand beside it, as in `memit.py`, λ by the first facts' keys; `joint` and bundles
(facts with one value) are ours; contexts: see `contexts.py`; the block is a share of the depth.
"""

from collections.abc import Sequence

import torch

from expunge.change import WeightChange
from expunge.edit import editors
from expunge.edit.edited import Drafts, Edited, change_of, factors_of, torn
from expunge.edit.solving import Moment, Protected
from expunge.edit.values import Fitting, Value
from expunge.edit.work import Work, blocks
from expunge.models.rests import Place
from expunge.objectives.options import AtLeastOne, Count, Finite, Layer, NonNegative, Positive

LENGTHS = (5, 10)  # tokens of the contexts, in turn


@editors.add("rome", paper="arXiv:2202.05262", facts=True)
def rome(
    work: Work,
    *,
    layer: Layer = 0.34,
    joint: bool = False,
    covariance: bool = True,
    contexts: Count = 20,
    rate: Positive = 0.5,
    steps: AtLeastOne = 25,
    stop: Finite = 0.05,
    decay: NonNegative = 1e-3,
    clamp: Positive = 4.0,
    kl: NonNegative = 0.0625,
) -> Edited:
    """`layer` is a block's number, or below 1 a share of the depth: its MLP is edited."""
    (block,) = blocks(work.model.layout.depth, layer, 1)
    before = work.contexts(contexts, LENGTHS)
    corpus = work.statistics([block])[block].moment if covariance else None
    protected = Protected(corpus, work.kept_moments([block])[block])
    work.note_ridge(block, protected.ridge)
    bundles = list(work.bundles().values())
    edit = _joint if joint else _sequence
    return edit(work, block, before, bundles, Fitting(rate, steps, stop, decay, clamp, kl), protected)


def _joint(
    work: Work, block: int, before: Sequence[str], bundles: list[list[int]], how: Fitting, protected: Protected
) -> Edited:  # fmt: skip
    """All on the model as it is: one system, so any of them can be left out."""
    values = work.values(bundles, before, Place(block, mlp=True), how)
    goal = torch.empty(len(work.facts), work.model.layout.width, dtype=torch.float64)
    for bundle, value in zip(bundles, values):
        goal[bundle] = value.vector.double()
    read = work.reader(before, range(len(work.facts))).read(block, block)

    def of(some: list[int]) -> WeightChange:
        factor = protected.exact(read.keys[some], read.bare[some]) if some else read.keys[some]
        return change_of(work, dict([factors_of(work.model, block, factor, (goal - read.gives)[some])]))

    def again(rest: list[int]) -> WeightChange | None:
        return None if torn(bundles, rest) else of(rest)

    change = of(list(range(len(work.facts))))
    return Edited(change, tuple(work.facts), tuple(values), tuple(work.notes), again)


def _sequence(
    work: Work, block: int, before: Sequence[str], bundles: list[list[int]], how: Fitting, protected: Protected
) -> Edited:  # fmt: skip
    """One after the other, each on the model as edited so far: the last ones can be left out."""
    factors: list[tuple[torch.Tensor, torch.Tensor]] = []
    values: list[Value] = []
    moment: Moment | None = None
    with Drafts(work.model, [block]) as drafts:
        for number, bundle in enumerate(bundles):
            (value,) = work.values([bundle], before, Place(block, mlp=True), how, stored=number == 0)
            read = work.reader(before, bundle).read(block, block)
            moment = moment or protected.of(read.keys)
            factors.append((moment.exact(read.keys, read.bare), value.vector.double() - read.gives))
            drafts.put(*_summed(work, block, factors))
            values.append(value)
    order = [i for bundle in bundles for i in bundle]
    ends = [sum(map(len, bundles[:count])) for count in range(len(bundles) + 1)]

    def again(rest: list[int]) -> WeightChange | None:
        if sorted(order[: len(rest)]) != rest or len(rest) not in ends:
            return None
        return change_of(work, dict([_summed(work, block, factors[: ends.index(len(rest))])]))

    change = change_of(work, dict([_summed(work, block, factors)]))
    return Edited(change, tuple(work.facts), tuple(values), tuple(work.notes), again)


def _summed(work: Work, block: int, factors: list[tuple[torch.Tensor, torch.Tensor]]):
    """Σ Λ uᵀ of all facts so far."""
    size, width = work.model.layout.d_ff, work.model.layout.width
    empty = (torch.zeros(0, size, dtype=torch.float64), torch.zeros(0, width, dtype=torch.float64))
    a, wanted = (torch.cat(parts) for parts in zip(*(factors or [empty])))
    return factors_of(work.model, block, a, wanted)
