"""Knowledge neurons: integrated gradients of the answer's probability. Dai et al. 2022, arXiv:2104.08696.

    IG_j = Σ_t a_{j,t} ∫₀¹ ∂P(α a)/∂a_{j,t} dα  ≈  (1/m) Σ_k Σ_t a_{j,t} · ∂P/∂(α_k a_{j,t}),     α_k = (k - ½)/m

a are the coefficients of one layer's value vectors at the positions t that predict the answer's tokens, all scaled at
once; other layers and positions stay as they are below, and follow above. P = (1/T) Σ_t π(y_t | x, y_<t), not its
logarithm, teacher-forced; with an answer of one token this is the paper's P at the last position in place of [MASK].
Σ_j IG_j = P(a) - P(0) for each layer. A score is the mean over examples, its sign kept: high for what promotes the
answer. Where a norm follows the down projection (Gemma 2 and 3, OLMo 2), scaling all of a changes nothing until it is
0: there a layer's IG_j add up to 0, and their order is that of a_j · ∂P/∂a_j.
Cost: `steps` × layers passes over the answers of the forget set, of its prompts one for each layer (and each cut of the
steps): all α of an example are branches of one tree, which share its prompt. A pass starts at its layer, for what lies
below is computed once, and goes back only to it.
Deviations: for several tokens the mean probability (the whole answer's would be 0 along the path); the midpoint rule in
place of α_k = k/m; the budget says how many, where the paper takes those above a threshold in most of several prompts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import Forest, pack, plant
from expunge.localize import Scene, localizers
from expunge.models.gradients import gradients_of
from expunge.models.resuming import blocks_seen, resumed
from expunge.models.scoring import forward, sums
from expunge.models.watching import edit_mlp_input
from expunge.objectives.options import AtLeastOne


@localizers.add(
    "knowledge_neurons",
    paper="arXiv:2104.08696",
    aliases=("integrated_gradients",),
    granularities=("value_vectors",),
    rounds=lambda scene, *, steps, **_: steps * scene.model.layout.depth,
)
def knowledge_neurons(scene: Scene, *, steps: AtLeastOne = 20) -> Float[Tensor, " units"]:
    """`steps` is m, the points at which the integral is taken."""
    layout, encoded = scene.model.layout, scene.encoded("forget")
    found = torch.zeros(layout.depth, layout.d_ff)
    pieces = [(each, some) for each in encoded for some in _cut(each, steps, scene.budget)]
    with gradients_of(scene.model, ()):  # none of the weights
        for batch in pack([_size(each, len(some)) for each, some in pieces], scene.budget):
            chosen = [pieces[i] for i in batch]
            copies = [len(some) for _, some in chosen]
            forest = plant([[each] for each, _ in chosen], copies=copies).to(scene.model.device)
            alphas = torch.tensor([(step + 0.5) / steps for _, some in chosen for step in some])
            with torch.no_grad(), blocks_seen(scene.model) as below:
                _probability(scene, forest)
            for layer in range(layout.depth):
                found[layer] += _attribution(scene, forest, below, layer, alphas.to(scene.model.device))
                scene.tick(sum(copies))
    return found.flatten() / (steps * len(encoded))


def _size(each: Encoded, copies: int) -> int:
    """Tokens of an example's tree: what comes before the answer stands in it once."""
    return each.start - 1 + copies * (len(each.ids) - each.start)


def _cut(each: Encoded, steps: int, budget: int) -> list[range]:
    """The steps of an example, as many together as the budget allows."""
    at_once = min(steps, max(1, (budget - _size(each, 0)) // (_size(each, 1) - _size(each, 0))))
    return [range(first, min(first + at_once, steps)) for first in range(0, steps, at_once)]


def _probability(scene: Scene, forest: Forest) -> Float[Tensor, " branches"]:
    """P of each branch."""
    with torch.autocast(scene.model.device.type, torch.bfloat16, enabled=scene.bf16):
        each = forward(scene.model, forest).log_probs.float().exp()
    return sums(each, forest.owner, forest.branches) / torch.bincount(forest.owner, minlength=forest.branches)


def _attribution(
    scene: Scene, forest: Forest, below: Sequence[Any], layer: int, alphas: Float[Tensor, " branches"]
) -> Float[Tensor, " neurons"]:
    """Σ a · ∂P/∂(αa) over the branches, each with its α, and their positions."""
    nodes, factors = forest.predictors, alphas[forest.owner, None]
    own: list[Tensor] = []
    scaled: list[Tensor] = []

    def scale(coefficients: Tensor) -> Tensor:
        flat = coefficients.detach().flatten(0, -2)
        own.append(flat[nodes])
        scaled.append((own[0] * factors.to(flat)).requires_grad_())
        return flat.index_copy(0, nodes, scaled[0]).view_as(coefficients)

    with resumed(scene.model, layer, below), edit_mlp_input(scene.model, layer, scale):
        probability = _probability(scene, forest).sum()
    (gradient,) = torch.autograd.grad(probability, scaled)
    return (own[0].float() * gradient.float()).sum(0).cpu()
