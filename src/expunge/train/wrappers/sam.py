"""Sharpness-aware unlearning (SAM). Fan et al. 2025, arXiv:2502.05374, after Foret et al. 2021, arXiv:2010.01412.

    g ← ∇L_f(θ + ρ · g/‖g‖),  g = ∇L_f(θ)

The forget gradient is taken where the forget loss rises most nearby, so that a small later change of the weights
(relearning) brings back less. The retain gradient stays that of θ. No deviations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from expunge.objectives.options import Positive
from expunge.train.wrappers import Gradient, Parameters, Wrapper, add


@add("sam")
@dataclass
class SAM(Wrapper):
    """`rho`: the radius, in the norm over all trained parameters."""

    nudges = True
    rho: Positive = 0.01

    @torch.no_grad()
    def forget_gradient(self, compute: Callable[[], Gradient], parameters: Parameters) -> Gradient:
        here = compute()
        norm = torch.stack([g.float().norm() for g in here.values()]).norm()
        if norm == 0 or not norm.isfinite():
            return here
        kept = {name: parameters[name].detach().clone() for name in here}
        for name, gradient in here.items():
            parameters[name].add_(gradient, alpha=self.rho / norm.item())
        try:
            return compute()
        finally:  # the exact bits: adding and subtracting again would not give them back
            for name, value in kept.items():
                parameters[name].copy_(value)
