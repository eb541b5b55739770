"""Activations: what writes most while the answer is said. Lee et al. 2025, arXiv:2505.16252, after Chang, Thomason and
Jia 2024, arXiv:2311.09060.

    s_j = (1/T) Σ_t |a_{j,t}| · ‖v_j‖₂        over the T positions of the forget set that predict an answer token

a_j is the coefficient of value vector v_j (what the down projection reads), so s_j is the mean norm of what neuron j
writes, before any norm behind the MLP. It looks at activity alone: units that are busy on every text score high.
Deviations: the code of Chang et al. takes |mean_t a|, in which coefficients of both signs cancel, and ranks within each
layer; heads, s_h = (1/T) Σ_t ‖W_O^h o_{h,t}‖₂, are ours.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data.forest import pack, plant
from expunge.localize import Scene, localizers
from expunge.models.naming import plain_parameters
from expunge.models.scoring import forward
from expunge.models.watching import edit_heads, edit_mlp_input, only_reading

Add = Callable[[int, Tensor], None]


@localizers.add(
    "activations", paper="arXiv:2505.16252", aliases=("activation",), granularities=("value_vectors", "heads")
)
def activations(scene: Scene) -> Float[Tensor, " units"]:
    """The mean norm of what a neuron or a head writes at the positions that predict the answers."""
    of_neurons = scene.units.granularity == "value_vectors"
    layout, weights = scene.model.layout, scene.weights()
    found = torch.zeros(layout.depth, layout.d_ff if of_neurons else layout.heads)

    def add(layer: int, rows: Tensor) -> None:
        if of_neurons:
            found[layer] += rows.float().abs().sum(0).cpu()
        else:
            found[layer] += _written(scene, layer, rows).float().cpu()

    tokens = _read(scene, edit_mlp_input if of_neurons else edit_heads, add)
    if of_neurons:
        for layer in range(layout.depth):
            name, axis = layout.value_vectors(layer)
            found[layer] *= weights[name].float().norm(dim=1 - axis).cpu()
    return found.flatten() / tokens


@torch.no_grad()
def _read(scene: Scene, place: Callable[..., AbstractContextManager[None]], add: Add) -> int:
    """Give every block's rows at the predicting positions to `add`; returns how many positions there are."""
    model, encoded, tokens = scene.model, scene.encoded("forget"), 0

    def reading(layer: int, nodes: Int[Tensor, " tokens"]) -> Callable[[Tensor], None]:
        return lambda seen: add(layer, seen[nodes])

    for batch in pack([len(each.ids) for each in encoded], scene.budget):
        forest = plant([[encoded[i]] for i in batch]).to(model.device)
        tokens += len(forest.predictors)
        with ExitStack() as stack:
            for layer in range(model.layout.depth):
                stack.enter_context(place(model, layer, only_reading(reading(layer, forest.predictors))))
            with torch.autocast(model.device.type, torch.bfloat16, enabled=scene.bf16):
                forward(model, forest)
        scene.tick(len(batch))
    return tokens


def _written(scene: Scene, layer: int, rows: Float[Tensor, "tokens width"]) -> Float[Tensor, " heads"]:
    """Σ_t ‖W_O^h o_{h,t}‖₂ of each head."""
    layout, named = scene.model.layout, plain_parameters(scene.model.network)
    sums = []
    for head in range(layout.heads):
        (part,) = layout.head_slices(layer, head, ("output",))
        weight = named[part.parameter].detach().narrow(part.axis, part.slice.start, layout.head_dim)
        matrix = weight if part.axis == 0 else weight.T  # [head_dim, width]
        sums.append((rows[:, part.slice].float() @ matrix.float()).norm(dim=-1).sum())
    return torch.stack(sums)
