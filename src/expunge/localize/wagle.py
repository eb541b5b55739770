"""WAGLE: weight attribution for forgetting, with the retain loss in view. Jia et al. 2024, arXiv:2410.17509.

    S_i = |(θ_i - ∇_{θ_i} ℓ_r / μ) · ∇_{θ_i} ℓ_f|        s_u = Σ_{i in u} S_i

ℓ_f and ℓ_r are the mean negative log-likelihood per answer token of the forget and the retain set. With the authors'
μ the second term outweighs the weight itself by far: it is in effect the product of both gradients.
Deviations: the paper ranks single weights over all parameters. Sums over value vectors are how Lee et al. 2025,
arXiv:2505.16252, "reformulated" it, in a form that is not published: a reconstruction.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers
from expunge.objectives.options import Positive


@localizers.add("wagle", paper="arXiv:2410.17509", looks_at=("forget", "retain"))
def wagle(scene: Scene, *, mu: Positive = 1e-6) -> Float[Tensor, " units"]:
    """`mu` is μ, the weight of the retain loss's curvature; 1e-6 is the authors' setting."""
    forget, retain, weights = scene.gradient("forget"), scene.gradient("retain"), scene.weights()

    def attribution(name: str) -> Tensor:
        return (weights[name].float() - retain[name].float() / mu).mul_(forget[name]).abs_()

    return scene.units.sums(attribution)
