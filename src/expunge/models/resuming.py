"""Resuming: passes that differ only above a block need not compute again what lies below it.

with blocks_seen(model) as outputs:
    forward(model, forest)
with resumed(model, 5, outputs):  # blocks 0 to 4 give what they gave
    forward(model, forest)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from expunge.models.model import Model
from expunge.models.watching import module_at


@contextmanager
def blocks_seen(model: Model) -> Iterator[list[Any]]:
    """Within the block, a forward pass collects what each block returns: a tensor, or a tuple that starts with it."""
    outputs: list[Any] = []
    handles = [
        module_at(model, path).register_forward_hook(lambda _, __, output: outputs.append(output))
        for path in model.layout.blocks
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def output_seen(model: Model, layer: int) -> Iterator[list[Any]]:
    """Within the block, a forward pass adds what one block returns."""
    outputs: list[Any] = []
    block = module_at(model, model.layout.block(layer))
    handle = block.register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def resumed(model: Model, layer: int, outputs: Sequence[Any]) -> Iterator[None]:
    """Within the block, what stands below block `layer` is not computed: each gives its entry of `outputs`."""
    blocks = [module_at(model, path) for path in model.layout.blocks[:layer]]
    own = [vars(block).get("forward") for block in blocks]  # none, unless something has wrapped it
    try:
        for block, output in zip(blocks, outputs):
            block.forward = lambda *_, _output=output, **__: _output
        yield
    finally:
        for block, before in zip(blocks, own):
            vars(block).pop("forward", None)  # the class's own comes back
            if before is not None:
                block.forward = before
