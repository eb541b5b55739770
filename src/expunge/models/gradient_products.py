"""Inner products of single examples' gradients, all with all, without holding all gradients.

    K_ij = ⟨g_i, g_j⟩,   g_i = ∇ log P(y_i|x_i) = Σ_t ∇ log π(y_t | x, y_<t)

over the tokens of the answer but for those that close it, which are the same for all examples. Since ∇P = P ∇ log P,
g_i points where ∇P(y_i|x_i) does, and the cosines K_ij / √(K_ii K_jj) are those of the probabilities' gradients.

Exactly: a block of gradients is held, as many as `memory` allows, the others pass by in tiles; where all fit, that is
one backward pass an example, else about n/2 of them for each block. Projected: each parameter's gradient is added to
the example's sketch (`sketch.py`) and let go as soon as it is there; one backward pass an example, k numbers held.

One backward pass an example, not one a batch: a batch's gradient is a sum. The model is left as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.models.gradients import Tick, gradients_of
from expunge.models.halfway import NOWHERE, Halfway
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.scoring import forward
from expunge.models.sketch import Sketch

Products = Float[Tensor, "examples examples"]
Take = Callable[[str, Tensor], None]
_COLUMNS = 2**18  # of gradients multiplied at a time: they are added up in float64


def weights_of(model: Model, names: Sequence[str]) -> int:
    """How long a gradient is."""
    named = plain_parameters(model.network)
    return sum(named[name].numel() for name in names)


def block_and_tile(examples: int, weights: int, memory: int) -> tuple[int, int]:
    """How many gradients are held, and how many pass by at a time: together no more than `memory` bytes, but two.

    >>> block_and_tile(100, 1000, 4_000_000), block_and_tile(100, 1000, 64_000), block_and_tile(9, 10**9, 1)
    ((100, 0), (14, 2), (1, 1))
    """
    rows = max(2, memory // (4 * weights))
    tile = max(1, rows // 8)
    return (examples, 0) if examples <= rows else (rows - tile, tile)


def passes_of(examples: int, weights: int, memory: int) -> int:
    """How many backward passes `exact_products` takes.

    >>> passes_of(100, 1000, 4_000_000), passes_of(9, 10**9, 1)
    (100, 45)
    """
    block, _ = block_and_tile(examples, weights, memory)
    return sum(examples - start for start in range(0, examples, block))


@torch.inference_mode(False)
def exact_products(
    model: Model, names: Sequence[str], encoded: Sequence[Encoded], *, memory: int, bf16: bool = False,
    tick: Tick = lambda _: None, halfway: Halfway = NOWHERE,
) -> Products:  # fmt: skip
    """K in float64. `memory` (bytes) changes time, not results. `tick` is told of backward passes."""
    block, tile = block_and_tile(len(encoded), weights_of(model, names), memory)
    kept = halfway.load()
    found = kept.get("products", torch.zeros(len(encoded), len(encoded), dtype=torch.float64))
    done = int(kept.get("done", torch.zeros(1, dtype=torch.int64))[0])  # rows that are whole
    tick(sum(len(encoded) - start for start in range(0, done, block)))
    with _gradients(model, names, bf16) as gradients:
        for start in range(done, len(encoded), block):
            _fill(found, encoded, start, block, tile, gradients, tick)
            halfway.save(products=found, done=torch.tensor([min(start + block, len(encoded))]))
    return found.triu() + found.triu(1).T


def _fill(
    found: Products, encoded: Sequence[Encoded], start: int, block: int, tile: int,
    gradients: Callable[..., Tensor], tick: Tick,
) -> None:  # fmt: skip
    """The rows of one block, from the diagonal on. Its gradients go when this ends, before others come."""
    held = gradients(encoded[start : start + block], tick)
    stop = start + len(held)
    found[start:stop, start:stop] = _inner(held, held)
    for at in range(stop, len(encoded), tile or 1):
        found[start:stop, at : at + tile] = _inner(held, gradients(encoded[at : at + tile], tick))


@torch.inference_mode(False)
def sketches(
    model: Model, names: Sequence[str], encoded: Sequence[Encoded], sketch: Sketch, *, bf16: bool = False,
    tick: Tick = lambda _: None, halfway: Halfway = NOWHERE,
) -> Float[Tensor, "examples length"]:  # fmt: skip
    """The sketch of each example's gradient. Their inner products are K on average."""
    kept = halfway.load()
    found = kept.get("sketches", torch.zeros(len(encoded), sketch.length)).to(model.device)
    done = int(kept.get("done", torch.zeros(1, dtype=torch.int64))[0])
    tick(done)
    row = [done]
    with _streamed(model, names, lambda name, gradient: sketch.add(found[row[0]], name, gradient)):
        for i in range(done, len(encoded)):
            row[0] = i
            _backward(model, encoded[i], bf16)
            tick(1)
            halfway.save(sketches=found, done=torch.tensor([i + 1]))
    return found


def projected_products(found: Float[Tensor, "examples length"]) -> Products:
    """The inner products of sketches."""
    return _inner(found, found)


@contextmanager
def _gradients(model: Model, names: Sequence[str], bf16: bool) -> Iterator[Callable[..., Tensor]]:
    """Within the block, a function from examples to their gradients, a row each, in the order of `names`."""
    named = plain_parameters(model.network)
    ends = list(accumulate((named[name].numel() for name in names), initial=0))
    places = {name: slice(start, stop) for name, start, stop in zip(names, ends, ends[1:])}
    row: list[Tensor] = []

    def take(name: str, gradient: Tensor) -> None:
        row[0][places[name]].copy_(gradient.reshape(-1))

    def gradients(encoded: Sequence[Encoded], tick: Tick) -> Tensor:
        found = torch.zeros(len(encoded), ends[-1], device=model.device)
        for i, each in enumerate(encoded):
            row[:] = [found[i]]
            _backward(model, each, bf16)
            tick(1)
        return found

    with _streamed(model, names, take):
        yield gradients


@contextmanager
def _streamed(model: Model, names: Sequence[str], take: Take) -> Iterator[None]:
    """Within the block `take` is given each parameter's gradient when it is complete, and the gradient is let go."""

    def hook(name: str) -> Callable[[Tensor], None]:
        def hand_over(parameter: Tensor) -> None:
            assert parameter.grad is not None
            take(name, parameter.grad)
            parameter.grad = None

        return hand_over

    with gradients_of(model, names) as parameters:
        handles = [p.register_post_accumulate_grad_hook(hook(name)) for name, p in parameters.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _backward(model: Model, each: Encoded, bf16: bool) -> None:
    forest = plant([[each]]).to(model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        log_probs = forward(model, forest).log_probs
    log_probs[: len(log_probs) - each.tail].sum().backward()


def _inner(one: Float[Tensor, "rows weights"], two: Float[Tensor, "columns weights"]) -> Float[Tensor, "rows columns"]:
    pairs = zip(one.split(_COLUMNS, 1), two.split(_COLUMNS, 1))
    total = torch.zeros(len(one), len(two), dtype=torch.float64)
    for left, right in pairs:
        total += (left @ right.T).double().cpu()
    return total
