"""Wanda: large weights on strong inputs. Sun et al. 2023, arXiv:2306.11695.

    S_ij = |W_ij| · ‖X_j‖₂        ‖X_j‖₂: the norm of input feature j over all tokens of the forget set

One forward pass: no gradient, no answer. It pruned what scores low; here what scores high on the forget set is chosen.
Deviations: the paper compares weights within each output of a layer, here all are compared with all, so layers with
strong inputs get more; its inputs are those of the already pruned model, a general text; a unit's score is the sum over
its weights, and biases (of heads) count as nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.forest import pack, plant
from expunge.localize import Scene, localizers
from expunge.models.scoring import forward
from expunge.models.watching import edit_input, only_reading

_ENDING = ".weight"


@localizers.add(
    "wanda", paper="arXiv:2306.11695", granularities=("weights", "rows", "matrices", "heads", "value_vectors")
)
def wanda(scene: Scene) -> Float[Tensor, " units"]:
    """The sum of the products of absolute weight and input norm."""
    weights, norms = scene.weights(), _input_norms(scene)
    transposed = scene.model.layout.architecture.transposed

    def products(name: str) -> Tensor:
        if name not in norms:
            return torch.zeros_like(weights[name])  # a bias
        each = norms[name].to(weights[name].device)
        return weights[name].float().abs() * (each[:, None] if transposed else each)

    return scene.units.sums(products)


@torch.no_grad()
def _input_norms(scene: Scene) -> dict[str, Float[Tensor, " features"]]:
    """Parameter → the norm of each of its inputs over the forget set."""
    model, encoded = scene.model, scene.encoded("forget")
    squares: dict[str, Tensor] = {}

    def reading(name: str) -> Callable[[Tensor], None]:
        def read(seen: Tensor) -> None:
            squares[name] = squares.get(name, 0) + seen.double().square().sum(0).cpu()

        return read

    for batch in pack([len(each.ids) for each in encoded], scene.budget):
        forest = plant([[encoded[i]] for i in batch]).to(model.device)
        with ExitStack() as stack:
            for name in scene.units.parameters:
                if name.endswith(_ENDING):
                    read = only_reading(reading(name))
                    stack.enter_context(edit_input(model, name.removesuffix(_ENDING), read))
            with torch.autocast(model.device.type, torch.bfloat16, enabled=scene.bf16):
                forward(model, forest)
        scene.tick(len(batch))
    return {name: each.sqrt().float() for name, each in squares.items()}
