"""Low-rank adapters through PEFT: attached for training, taken off again, the plain network untouched.

    W' = W + s · B A,   A: [rank, in], B: [out, rank]        Hu et al. 2021, arXiv:2106.09685

An input unit in which A has a zero column keeps its weights, and so does an output unit in which B has a zero row.
So a mask of units along one axis of W is a mask over one of the factors, zero outside it at the start. Value vectors
are input units. PEFT replaces modules of the network in place, so the network that the loop calls stays the same
object. Deviations: α = 2 · rank; A is drawn as for a layer that has the chosen inputs only.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from expunge.errors import ConfigError
from expunge.mask import Entry, Mask
from expunge.models.model import Model
from expunge.models.naming import plain_name
from expunge.models.outline import Outline


@contextmanager
def adapted(model: Model, rank: int, seed: int, mask: Mask | None = None) -> Iterator[PeftModel]:
    """Within the block the network carries fresh adapters on every linear layer of its blocks; α = 2 · rank.

    With a mask, on those whose weight it names; A is zero where `region` leaves it out. B starts at zero, so the
    network computes what it did. A is drawn from `seed` on the processor.
    """
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules=targets(model, mask),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.network.modules()),
    )  # fmt: skip
    frozen = {name: p.requires_grad for name, p in model.network.named_parameters()}
    # PEFT draws a start of its own from the global generator, and warns about tied heads, which are no targets
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = get_peft_model(model.network, config)
    generator, inside = torch.Generator().manual_seed(seed), region(wrapped, mask)
    for name, parameter in sorted(factors(wrapped).items()):
        if ".lora_A." in name:
            inputs = torch.ones(parameter.shape[1]) if inside is None else inside.chosen(name, 1).float()
            bound = float(inputs.sum()) ** -0.5
            drawn = torch.rand(parameter.shape, generator=generator) * 2 * bound - bound
            parameter.data.copy_(drawn.masked_fill_(inputs == 0, 0.0))
    try:
        yield wrapped
    finally:
        wrapped.unload()
        for name, parameter in model.network.named_parameters():
            parameter.requires_grad_(frozen[name])


def targets(model: Model | Outline, mask: Mask | None = None) -> list[str]:
    """Full names of the linear layers within the blocks, of those that a mask names.

    Raises ConfigError for a mask without any such layer, or with single weights of one: adapters change units.
    """
    prefixes = tuple(f"{block}." for block in model.layout.blocks)
    found = [
        name
        for name, module in model.network.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name.startswith(prefixes)
    ]
    if mask is None:
        return found
    chosen = [name for name in found if f"{name}.weight" in mask]
    if not chosen:
        raise ConfigError("`lora` has nothing to train: no linear layer of the blocks is among `parameters`")
    for name in chosen:
        if (units := mask[f"{name}.weight"]) is not None and units.axis is None:
            raise ConfigError(
                f"an adapter changes whole matrices, or rows or columns of one, and the mask holds single weights of "
                f"{name}.weight: leave out `lora`, or give units along one axis, `Mask.of(network, {{name: (axis, "
                "indices)})`"
            )
    return chosen


def left_out(wrapped: PeftModel, mask: Mask | None) -> tuple[str, ...]:
    """A note of what a mask holds and adapters cannot change: norms and biases, say."""
    if mask is None:
        return ()
    reached = {f"{plain_name(name).partition('.lora_')[0]}.weight" for name in factors(wrapped)}
    rest = [name for name in mask if name not in reached]
    if not rest:
        return ()
    return (
        f"adapters change the linear layers of the blocks only: {len(rest)} of {len(mask)} tensors of the mask stay as "
        f"they are, the first is {rest[0]}",
    )


def factors(wrapped: PeftModel) -> dict[str, nn.Parameter]:
    """The adapters' parameters, by their names in the wrapped network."""
    return {name: p for name, p in wrapped.named_parameters() if ".lora_" in name}


def region(wrapped: PeftModel, mask: Mask | None) -> Mask | None:
    """The mask over the factors that keeps s · B A within a mask over the weights. None: everything."""
    if mask is None:
        return None
    named, network = factors(wrapped), wrapped.get_base_model()
    entries: dict[str, Entry | tuple[int, Tensor]] = {}
    for name in named:
        path, _, side = plain_name(name).partition(".lora_")
        units = mask[f"{path}.weight"]
        layer: Any = network.get_submodule(path)
        of_inputs = units is not None and units.axis == (0 if isinstance(layer.get_base_layer(), Conv1D) else 1)
        if units is None or of_inputs != side.startswith("A."):
            entries[name] = None
        else:
            entries[name] = (1 if of_inputs else 0, units.index)
    return Mask({name: parameter.shape for name, parameter in named.items()}, entries)
