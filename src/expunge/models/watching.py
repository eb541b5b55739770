"""Reading and editing what flows through a model, as blocks whose hooks always come off.

A watcher yields a list to which every forward pass adds one tensor [positions, size], part of its graph; the
positions are those of the whole batch, row after row. Read it before `backward`: gradient checkpointing runs
a block again, and would add again. An edit gets the tensor as the module has it, [..., size].

    with watch_residual(model, 3) as seen:
        model.network(ids)
    seen[0]
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from expunge.models.model import Model
from expunge.models.naming import plain_network

Edit = Callable[[Tensor], Tensor]


def watch_residual(model: Model, layer: int) -> AbstractContextManager[list[Tensor]]:
    """The residual stream after block `layer` (from 0): [positions, width], before the final norm."""
    return _watch_output(_block(model, layer))


def watch_mlp_input(model: Model, layer: int) -> AbstractContextManager[list[Tensor]]:
    """What the down projection reads, the coefficients of the value vectors: [positions, d_ff]."""
    return _watch_input(module_at(model, model.layout.mlp_out(layer)))


def watch_mlp_output(model: Model, layer: int) -> AbstractContextManager[list[Tensor]]:
    """What the down projection gives, before any norm behind it (Gemma 2, OLMo 2): [positions, width]."""
    return _watch_output(module_at(model, model.layout.mlp_out(layer)))


def watch_heads(model: Model, layer: int) -> AbstractContextManager[list[Tensor]]:
    """What the heads give to the output projection: [positions, heads · head_dim]."""
    return _watch_input(module_at(model, model.layout.attention_out(layer)))


def edit_residual(model: Model, layer: int, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the residual stream after block `layer` is what `edit` makes of it."""
    return _edit_output(_block(model, layer), edit)


@contextmanager
def stopping_after(model: Model, layer: int) -> Iterator[None]:
    """A forward pass within the block ends after block `layer`, and with it the block: nothing above is computed.

    What was put on before still sees that block's output.
    """
    with suppress(_EnoughError), edit_residual(model, layer, _stop):
        yield


class _EnoughError(Exception):
    """Nothing above is wanted."""


def _stop(_: Tensor) -> Tensor:
    raise _EnoughError


def edit_mlp_output(model: Model, layer: int, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the down projection's output is what `edit` makes of it."""
    return _edit_output(module_at(model, model.layout.mlp_out(layer)), edit)


def edit_mlp_input(model: Model, layer: int, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the down projection reads what `edit` makes of the coefficients of the value vectors."""
    return edit_input(model, model.layout.mlp_out(layer), edit)


def edit_heads(model: Model, layer: int, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the output projection reads what `edit` makes of the heads' outputs."""
    return edit_input(model, model.layout.attention_out(layer), edit)


def edit_attention_output(model: Model, layer: int, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the output projection of the attention gives what `edit` makes of it."""
    return _edit_output(module_at(model, model.layout.attention_out(layer)), edit)


def edit_embeddings(model: Model, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the embeddings of the tokens are what `edit` makes of them."""
    return _edit_output(module_at(model, model.layout.architecture.embedding), edit)


@contextmanager
def edit_layer(model: Model, path: str, edit: Callable[[Tensor, Tensor], Tensor]) -> Iterator[None]:
    """Within the block, the layer at `path` gives what `edit` makes of its input and its output."""
    handle = module_at(model, path).register_forward_hook(partial(_both, edit))
    try:
        yield
    finally:
        handle.remove()


def edit_input(model: Model, path: str, edit: Edit) -> AbstractContextManager[None]:
    """Within the block, the module at `path` reads what `edit` makes of its input."""
    return _edit_input(module_at(model, path), edit)


def only_reading(read: Callable[[Tensor], object]) -> Edit:
    """An edit that changes nothing: `read` gets the tensor, [positions, size], and nothing is kept."""
    return partial(_only_read, read)


def add_to_residual(
    model: Model, layer: int, perturbation: Float[Tensor, "*batch width"]
) -> AbstractContextManager[None]:
    """Within the block, `perturbation` (it may be trained) is added to the residual stream after `layer`."""
    return edit_residual(model, layer, lambda hidden: hidden + perturbation.to(hidden.dtype))


def module_at(model: Model, path: str) -> nn.Module:
    """The module at a path of the plain model; in a PEFT model, the adapted one that stands in its place."""
    return plain_network(model.network).get_submodule(path)


def _block(model: Model, layer: int) -> nn.Module:
    return module_at(model, model.layout.block(layer))


@contextmanager
def _watch_output(module: nn.Module) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda _, __, output: seen.append(_flat(_first(output))))
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def _watch_input(module: nn.Module) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(_flat(inputs[0])))
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def _edit_output(module: nn.Module, edit: Edit) -> Iterator[None]:
    handle = module.register_forward_hook(partial(_replace, edit))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _edit_input(module: nn.Module, edit: Edit) -> Iterator[None]:
    handle = module.register_forward_pre_hook(lambda _, inputs: (edit(inputs[0]), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


# hooks are made for every forward pass, so they are partial calls, not functions that are defined each time


def _replace(edit: Edit, _: nn.Module, __: Any, output: Any) -> Any:
    edited = edit(_first(output))
    return edited if isinstance(output, Tensor) else type(output)((edited, *output[1:]))


def _both(edit: Callable[[Tensor, Tensor], Tensor], _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return edit(inputs[0], output)


def _only_read(read: Callable[[Tensor], object], tensor: Tensor) -> Tensor:
    read(_flat(tensor))
    return tensor


def _first(output: Any) -> Tensor:
    """Blocks give a tensor, or a tuple that starts with it: that differs by architecture and version."""
    return output if isinstance(output, Tensor) else output[0]


def _flat(tensor: Tensor) -> Tensor:
    """[batch, tokens, size] → [positions, size], which some modules (OPT's MLP) have already."""
    return tensor.flatten(0, -2)
