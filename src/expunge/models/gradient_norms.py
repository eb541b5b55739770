"""Gradient norms of single examples: how strongly each would still move the weights.

One backward pass an example. A parameter's gradient is measured and let go as soon as it is complete, so that at no
time more than a few stand in memory; the model's weights and its own gradients are left as they were.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.models.model import Model
from expunge.models.scoring import forward


def gradient_norms(model: Model, encoded: Sequence[Encoded], *, bf16: bool = False) -> list[float]:
    """(1/P) Σ_p ‖∂NLL/∂θ_p‖₂ of each example, over the P parameters (tensors) that the loss depends on.

    NLL is the mean over the answer tokens without those that close the answer. A tied parameter counts once.
    """
    found = []
    with torch.enable_grad(), _streamed(model.network) as norms:
        for each in encoded:
            forest = plant([[each]]).to(model.device)
            with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
                log_probs = forward(model, forest).log_probs
            (-log_probs[: len(log_probs) - each.tail].mean()).backward()
            found.append(float(torch.stack(norms).mean()))
            norms.clear()
    return found


@contextmanager
def _streamed(network: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block every gradient is turned into its norm, in the order that they are completed in."""
    norms: list[Tensor] = []

    def measure(parameter: Tensor) -> None:
        assert parameter.grad is not None
        norms.append(torch.linalg.vector_norm(parameter.grad, dtype=torch.float32))
        parameter.grad = None

    parameters = [each for each in network.parameters() if each.is_floating_point()]
    before = [(each.grad, each.requires_grad) for each in parameters]
    for each in parameters:
        each.grad = None
        each.requires_grad_(True)
    handles = [each.register_post_accumulate_grad_hook(measure) for each in parameters]
    try:
        yield norms
    finally:
        for handle in handles:
            handle.remove()
        for each, (gradient, wanted) in zip(parameters, before):
            each.requires_grad_(wanted)
            each.grad = gradient
