"""MEMIT: many facts at once, over several layers, by least squares. Meng et al. 2023, arXiv:2210.07229.

    ΔW_l = Rᵀ K (λ C + K₀ᵀ K₀ + Kᵀ K)⁻¹      layers in ascending order, R spread over them (`spreading.py`)

K are the facts' keys at layer l in rows, C the second moment of all keys (`statistics.py`), λ how many tokens' worth C
weighs, K₀ the keys of all tokens of the retain set, where there is one. A lone fact with key k gets the share s / (λ +
s) of what is wanted, s = kᵀ C⁻¹ k. So λ means something else in every model, and unless `weight` gives it, it is
chosen such that the middle one of the facts, alone, would get the share `inserted`.
Deviations: that choice of λ (authors: 15,000 or 20,000, by hand); K₀, at which nothing is wanted; the block where it
ends is a share of the depth; contexts: see `contexts.py`; norms behind the MLP: see `spreading.py`.
"""

from expunge.edit import editors
from expunge.edit.edited import Edited
from expunge.edit.options import Share
from expunge.edit.solving import Protected
from expunge.edit.spreading import spread_protected
from expunge.edit.values import Fitting
from expunge.edit.work import Work, blocks
from expunge.objectives.options import AtLeastOne, Count, Finite, Layer, NonNegative, Positive


@editors.add("memit", paper="arXiv:2210.07229", facts=True)
def memit(
    work: Work,
    *,
    layers: AtLeastOne = 5,
    last: Layer = 0.4,
    weight: Positive | None = None,
    inserted: Share = 0.9,
    contexts: Count = 5,
    rate: Positive = 0.5,
    steps: AtLeastOne = 25,
    stop: Finite = 0.05,
    decay: NonNegative = 1e-3,
    clamp: Positive = 4.0,
    kl: NonNegative = 0.0625,
) -> Edited:
    """`last` is the last block that is edited, or below 1 a share of the depth; `weight` is λ."""
    chosen, before = blocks(work.model.layout.depth, last, layers), work.contexts(contexts, (10,))
    how = Fitting(rate, steps, stop, decay, clamp, kl)
    return spread_protected(work, chosen, how, before, Protected.soft, inserted, weight)
