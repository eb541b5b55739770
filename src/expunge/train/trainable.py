"""What trains: within a block exactly the chosen parameters require a gradient; afterwards all is as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from peft import PeftModel
from torch import nn

from expunge.mask import Mask
from expunge.models.model import Model
from expunge.train import lora


@contextmanager
def trainable(
    model: Model, mask: Mask | None, wrapped: PeftModel | None, checkpointing: bool
) -> Iterator[dict[str, nn.Parameter]]:
    """Within the block name → parameter: the adapters', those that the mask names, or all."""
    network = model.network
    named = dict(wrapped.named_parameters() if wrapped is not None else network.named_parameters())
    chosen = lora.factors(wrapped) if wrapped is not None else named
    if mask is not None and wrapped is None:
        chosen = {name: named[name] for name in mask}
    before = {name: parameter.requires_grad for name, parameter in named.items()}
    for name, parameter in named.items():
        parameter.requires_grad_(name in chosen)
    with _gradient_checkpointing(network) if checkpointing else nullcontext():
        try:
            yield dict(chosen)
        finally:
            for name, parameter in named.items():
                parameter.requires_grad_(before[name])
                parameter.grad = None


@contextmanager
def _gradient_checkpointing(network: nn.Module) -> Iterator[None]:
    """Blocks are computed again in the backward pass. Transformers does so in training mode only; dropout stays off.

    Inputs that need no gradient are no obstacle for the non-reentrant kind, so it works with adapters.
    """
    name = "activation" if hasattr(network, "activation_checkpointing_enable") else "gradient"  # until 5.2x
    getattr(network, f"{name}_checkpointing_enable")({"use_reentrant": False})
    network.train()
    rates = [(module, key, value) for module in network.modules() for key, value in _dropout_rates(module)]
    for module, key, _ in rates:
        setattr(module, key, 0.0)
    try:
        yield
    finally:
        for module, key, value in rates:
            setattr(module, key, value)
        getattr(network, f"{name}_checkpointing_disable")()
        network.eval()


def _dropout_rates(module: nn.Module) -> list[tuple[str, float]]:
    """A dropout layer's, and those that blocks keep as numbers (OPT, for one)."""
    if isinstance(module, nn.Dropout):
        return [("p", module.p)]
    return [(n, v) for n, v in vars(module).items() if ("dropout" in n or n == "layerdrop") and isinstance(v, float)]
