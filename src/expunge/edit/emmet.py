"""EMMET: many facts at once, exactly, by equality-constrained least squares. Gupta et al. 2024, arXiv:2403.14236.

    ΔW_l = Rᵀ (K C⁻¹ Kᵀ)⁻¹ K C⁻¹          the ΔW of least ‖ΔW C^{1/2}‖ with ΔW Kᵀ = Rᵀ

It is MEMIT's solution as λ → 0, and ROME's with as many constraints as facts. R is spread over the layers as MEMIT
does.
Deviations: facts with the same key get the mean of what is wanted (the paper adds a ridge to K C⁻¹ Kᵀ); the keys of
the retain set stand in C beside the corpus's, as in `memit.py`; layers and contexts as in `memit.py`.
"""

from expunge.edit import editors
from expunge.edit.edited import Edited
from expunge.edit.solving import Protected
from expunge.edit.spreading import spread_protected
from expunge.edit.values import Fitting
from expunge.edit.work import Work, blocks
from expunge.objectives.options import AtLeastOne, Count, Finite, Layer, NonNegative, Positive


@editors.add("emmet", paper="arXiv:2403.14236", facts=True)
def emmet(
    work: Work,
    *,
    layers: AtLeastOne = 5,
    last: Layer = 0.4,
    contexts: Count = 5,
    rate: Positive = 0.5,
    steps: AtLeastOne = 25,
    stop: Finite = 0.05,
    decay: NonNegative = 1e-3,
    clamp: Positive = 4.0,
    kl: NonNegative = 0.0625,
) -> Edited:
    """`last` is the last block that is edited, or below 1 a share of the depth."""
    chosen, before = blocks(work.model.layout.depth, last, layers), work.contexts(contexts, (10,))
    how = Fitting(rate, steps, stop, decay, clamp, kl)
    return spread_protected(work, chosen, how, before, Protected.exact)
