"""Attribution patching: causal tracing to first order, every unit at once. Nanda 2023; Syed, Rager and Conmy 2023,
arXiv:2310.10348.

    s_u = Σ_t | Σ_{i in u} (a_{i,t} - a*_{i,t}) · ∂ log P*(y) / ∂a*_{i,t} |        *: the corrupted run

averaged over draws of the noise (`corruption.py`) and examples. a are the coefficients of the value vectors and what
the heads give to the output projection; i runs over the one number of a neuron, the numbers of a head, all neurons and
heads of a layer: signs count within a unit and a position, not between positions. log P is the mean over the answer's
tokens, so that long answers count no more than short ones.
Cost: a clean forward pass, and forward and backward for each draw.
Deviations: Syed et al. score edges of a circuit, here they are nodes; a layer's neurons and heads are added up as if
each acted alone, though the neurons read what the heads write.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers
from expunge.localize.corruption import Batch, corruption_of
from expunge.models.gradients import gradients_of
from expunge.models.scoring import forward
from expunge.models.watching import Edit, edit_heads, edit_mlp_input
from expunge.objectives.options import AtLeastOne, Positive

PLACES = {
    "value_vectors": (edit_mlp_input,), "heads": (edit_heads,), "layers": (edit_mlp_input, edit_heads),
}  # fmt: skip


@localizers.add(
    "attribution_patching",
    paper="arXiv:2310.10348",
    aliases=("atp",),
    granularities=("value_vectors", "heads", "layers"),
    subjects=True,
    rounds=lambda scene, *, draws, **_: 1 + draws,
)
def attribution_patching(scene: Scene, *, draws: AtLeastOne = 1, noise: Positive = 3.0) -> Float[Tensor, " units"]:
    """`noise` is ν: how many standard deviations the noise has."""
    corruption = corruption_of(scene, noise)
    found = torch.zeros(scene.units.count)
    with gradients_of(scene.model, ()):  # none of the weights
        for batch in corruption.batches():
            with torch.no_grad():
                clean, _ = _run(scene, batch)
            scene.tick(len(batch.numbers))
            for draw in range(draws):
                with corruption.of(batch, draw):
                    seen, value = _run(scene, batch)
                found += _scores(scene, clean, seen, torch.autograd.grad(value, seen))
                scene.tick(len(batch.numbers))
    return found / (draws * len(corruption.encoded))


def _run(scene: Scene, batch: Batch) -> tuple[list[Tensor], Float[Tensor, ""]]:
    """The activations [nodes, size], layer by layer, and Σ_examples log P."""
    model = scene.model
    seen: list[Tensor] = []
    with ExitStack() as stack:
        order = 0
        for layer in range(model.layout.depth):
            for place in PLACES[scene.units.granularity]:
                seen.append(torch.empty(0))
                stack.enter_context(place(model, layer, _through(seen, order)))
                order += 1
        with torch.autocast(model.device.type, torch.bfloat16, enabled=scene.bf16):
            value = (forward(model, batch.forest).log_probs.float() * batch.share).sum()
    return seen, value


def _through(seen: list[Tensor], at: int) -> Edit:
    """An edit that changes nothing and leaves in `seen[at]` a tensor that what follows depends on."""

    def edit(tensor: Tensor) -> Tensor:
        seen[at] = tensor.flatten(0, -2)
        return seen[at].view_as(tensor)

    return edit


def _scores(
    scene: Scene, clean: Sequence[Tensor], corrupted: Sequence[Tensor], gradients: Sequence[Tensor]
) -> Float[Tensor, " units"]:
    """Σ_t |…| of each unit."""
    products = [((a - b.detach()).float() * g.float()) for a, b, g in zip(clean, corrupted, gradients, strict=True)]
    layout, granularity = scene.model.layout, scene.units.granularity
    if granularity == "layers":
        pairs = zip(products[::2], products[1::2], strict=True)
        return torch.stack([(a.sum(1) + b.sum(1)).abs().sum() for a, b in pairs]).cpu()
    if granularity == "heads":
        products = [each.unflatten(1, (layout.heads, layout.head_dim)).sum(2) for each in products]
    return torch.cat([each.abs().sum(0) for each in products]).cpu()
