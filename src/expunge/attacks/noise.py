"""Noise: what comes back when every matrix is shaken a little.

    ŵ = w + σ · rms(W) · ε,   ε ~ N(0, 1)

What an unlearning only covered may show when the cover is shaken: noise on the weights of sandbagging models raises
what they show, Tice et al. 2024, arXiv:2412.01784. Deviations: relative to each matrix; one draw; no search over σ.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.after import measured
from expunge.attacks.matrices import rewritten
from expunge.objectives.options import Positive


@attacks.add(
    "noise",
    family="compression",
    title="Noise on the weights",
    reads=(
        "What the model knows after Gaussian noise was added to its weights. A rise above the model without noise "
        "shows knowledge that a fragile change had covered; a fall may be the noise alone."
    ),
)
def noise(target: Target, *, sigma: Positive = 0.05) -> list[Finding]:
    """`sigma` is the size of the noise relative to that of each matrix; the draw is the target's seed's."""
    generator = torch.Generator().manual_seed(target.seed)
    with rewritten(target.model, lambda weight: shaken(weight, sigma, generator)):
        return measured(target)


def shaken(weight: Float[Tensor, "out in"], sigma: float, generator: torch.Generator) -> Float[Tensor, "out in"]:
    """The matrix with noise of `sigma` times its own size; drawn on the processor, so that every device draws alike."""
    drawn = torch.randn(weight.shape, generator=generator).to(weight.device)
    return weight + sigma * weight.square().mean().sqrt() * drawn
