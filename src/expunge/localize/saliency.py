"""Gradient saliency (SalUn): the weights that move the forget loss most. Fan et al. 2024, arXiv:2310.12508.

    s_i = |∇_{θ_i} ℓ_f(θ)|

Deviations: ℓ_f is the mean negative log-likelihood per answer token, whatever objective unlearns with the mask (their
sign does not matter here); the paper takes weights above the median, here the budget says how many; a unit's score
is the sum over its weights.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers


@localizers.add("saliency", paper="arXiv:2310.12508", aliases=("salun",))
def saliency(scene: Scene) -> Float[Tensor, " units"]:
    """The sum of absolute gradients."""
    gradient = scene.gradient("forget")
    return scene.units.sums(lambda name: gradient[name].abs())
