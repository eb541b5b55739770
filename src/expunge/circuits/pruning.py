"""Edge pruning: a mask over all edges, trained. Bhaskar et al. 2024, arXiv:2406.16778; CLUE's engine, arXiv:2509.20977.

    min_m  KL(p_base ‖ p_patched(m)) + λ1 (t - s(m)) + λ2 (t - s(m))²        λ1, λ2 by gradient ascent
    m = min(1, max(0, σ((log u - log(1-u) + log α) / T) · (ζ - γ) + γ))      γ -0.1, ζ 1.1, T 2/3 (hard concrete)

t: the share of edges to be pruned, reached step by step; s: the share expected to be pruned. Noising keeps what the
clean run needs to stay what it is, denoising what has to be corrupted for the answer to become the other one: the same
with the runs exchanged, which finds all inputs of an OR. What comes back are the edges' chances to stay, by which a
circuit of any size can be chosen.

For small models, and as a check of `attribution.py`: thousands of passes. Deviations: one mask over edges, none over
nodes; denoising minimizes KL to the corrupted run, where the released code maximizes the KL to the clean one, which has
no bound.
"""

from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.circuits.scene import BASE, Direction, Scene, divergences
from expunge.models.gradients import gradients_of

LOW, HIGH, TEMPERATURE = -0.1, 1.1, 2 / 3
START = 2.0  # of log α: nearly all edges are kept at first
RAMP = 0.8  # of the steps, until the target is the final one


def prune(
    scene: Scene, direction: Direction, *, sparsity: float = 0.9, steps: int = 300, rate: float = 0.1
) -> Float[Tensor, "writers readers"]:
    """σ(log α) of every edge; -1 where there is none. `sparsity` is t."""
    possible = scene.graph.possible
    generator = torch.Generator().manual_seed(scene.seed)
    alpha = torch.full((int(possible.sum()),), START).add_(0.01 * torch.randn(int(possible.sum()), generator=generator))
    alpha.requires_grad_()
    multipliers = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([
        {"params": [alpha], "lr": rate}, {"params": [multipliers], "lr": rate, "maximize": True}
    ])  # fmt: skip
    with gradients_of(scene.model, ()):  # none of the weights
        for step in range(steps):
            target = sparsity * min(1.0, (step + 1) / (RAMP * steps))
            mask = _hard(alpha + _logistic(alpha.shape, generator))
            off = target - (1 - _kept(alpha).mean())
            optimizer.zero_grad()
            (
                _loss(scene, direction, _spread(possible, mask)) + multipliers[0] * off + multipliers[1] * off**2
            ).backward()
            optimizer.step()
    with torch.no_grad():
        return torch.full(possible.shape, -1.0).masked_scatter(possible, torch.sigmoid(alpha))


def _loss(scene: Scene, direction: Direction, keep: Tensor) -> Float[Tensor, ""]:
    """Mean KL of the base's words from those of the patched run."""
    base, _ = BASE[direction]
    parts = [divergences(batch.runs[base].logits, logits).sum() for batch, logits in scene.patched(direction, keep)]
    return torch.stack(parts).sum() / scene.pairs


def _hard(logits: Float[Tensor, " edges"]) -> Float[Tensor, " edges"]:
    return (torch.sigmoid(logits / TEMPERATURE) * (HIGH - LOW) + LOW).clamp(0, 1)


def _kept(alpha: Float[Tensor, " edges"]) -> Float[Tensor, " edges"]:
    """The probability that m is not 0."""
    return torch.sigmoid(alpha - TEMPERATURE * log(-LOW / HIGH))


def _logistic(shape: torch.Size, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    return drawn.log() - (1 - drawn).log()


def _spread(possible: Tensor, values: Tensor) -> Float[Tensor, "writers readers"]:
    return torch.ones(possible.shape).masked_scatter(possible, values)
