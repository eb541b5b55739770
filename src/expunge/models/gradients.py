"""Gradients of a set's likelihood with respect to chosen parameters, added up as the set streams by.

    G = ∇ -(1/T) Σ_t log π(y_t | x, y_<t)    over all T answer tokens of the set            `mean_gradient`
    F = (1/n) Σ_i (∇ NLL_i)²                 NLL_i: the mean over an example's answer tokens  `mean_square`

One buffer of the parameters' size is kept a set. The model's weights and its own gradients are left as they were.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from expunge.data.convention import Encoded
from expunge.data.forest import pack, plant
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.scoring import forward

Tick = Callable[[int], object]  # how many examples are done since the last call


def mean_gradient(
    model: Model,
    names: Sequence[str],
    encoded: Sequence[Encoded],
    *,
    budget: int,
    bf16: bool = False,
    tick: Tick = lambda _: None,
) -> dict[str, Tensor]:
    """Name → G in the parameter's shape, summed in float32."""
    tokens = sum(len(each.ids) - each.start for each in encoded)
    with gradients_of(model, names) as parameters, ExitStack() as hooks:
        narrow = {name: p for name, p in parameters.items() if p.dtype != torch.float32}
        total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in narrow.items()}  # bf16 sums lose digits
        for name, parameter in narrow.items():
            hooks.callback(parameter.register_post_accumulate_grad_hook(_adds(total[name])).remove)
        for batch in pack([len(each.ids) for each in encoded], budget):
            (-_log_probs(model, [encoded[i] for i in batch], bf16).sum() / tokens).backward()
            tick(len(batch))
        return {name: total[name] if name in total else _taken(p) for name, p in parameters.items()}


def mean_square(
    model: Model, names: Sequence[str], encoded: Sequence[Encoded], *, bf16: bool = False, tick: Tick = lambda _: None
) -> dict[str, Tensor]:
    """Name → F. One backward pass an example; each parameter's gradient is let go as soon as it is squared."""
    with gradients_of(model, names) as parameters:
        total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
        handles = [p.register_post_accumulate_grad_hook(_squares(total[name])) for name, p in parameters.items()]
        try:
            for each in encoded:
                (-_log_probs(model, [each], bf16).mean()).backward()
                tick(1)
        finally:
            for handle in handles:
                handle.remove()
    return {name: value.div_(len(encoded)) for name, value in total.items()}


@contextmanager
def gradients_of(model: Model, names: Sequence[str]) -> Iterator[dict[str, nn.Parameter]]:
    """Within the block exactly these parameters get gradients, which start at none; afterwards all is as it was."""
    named = plain_parameters(model.network)
    before = {name: (p.requires_grad, p.grad) for name, p in named.items()}
    wanted = set(names)
    for name, parameter in named.items():
        parameter.grad = None
        if parameter.is_floating_point():
            parameter.requires_grad_(name in wanted)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield {name: named[name] for name in names}
    finally:
        for name, parameter in named.items():
            required, gradient = before[name]
            parameter.grad = gradient
            if parameter.is_floating_point():
                parameter.requires_grad_(required)


def _log_probs(model: Model, encoded: Sequence[Encoded], bf16: bool) -> Tensor:
    forest = plant([[each] for each in encoded]).to(model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        return forward(model, forest).log_probs


def _taken(parameter: nn.Parameter) -> Tensor:
    gradient, parameter.grad = parameter.grad, None
    return torch.zeros_like(parameter) if gradient is None else gradient


def _adds(total: Tensor) -> Callable[[Tensor], None]:
    def add(parameter: Tensor) -> None:
        assert parameter.grad is not None
        total.add_(parameter.grad.float())
        parameter.grad = None

    return add


def _squares(total: Tensor) -> Callable[[Tensor], None]:
    def add(parameter: Tensor) -> None:
        assert parameter.grad is not None
        gradient = parameter.grad.float()
        total.addcmul_(gradient, gradient)
        parameter.grad = None

    return add
