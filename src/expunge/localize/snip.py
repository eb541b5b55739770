"""SNIP: connection sensitivity. Lee, Ajanthan and Torr 2019, arXiv:1810.02340.

    s_i = |θ_i · ∇_{θ_i} ℓ_f(θ)|        what the forget loss would change, to first order, without the weight

Deviations: the paper prunes at initialization and normalizes the scores to a sum of one, which changes no order; a
unit's score is the sum over its weights.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers


@localizers.add("snip", paper="arXiv:1810.02340")
def snip(scene: Scene) -> Float[Tensor, " units"]:
    """The sum of absolute products of weight and gradient."""
    gradient, weights = scene.gradient("forget"), scene.weights()
    return scene.units.sums(lambda name: gradient[name].mul_(weights[name]).abs_())
