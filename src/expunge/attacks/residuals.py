"""The residual stream of every layer where answer tokens are predicted, in one pass over packed examples."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import Forest, pack, plant
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import watch_residual


@dataclass(frozen=True)
class Seen:
    """One pass. Axis `tokens`: the answer tokens of all examples of the batch, in order."""

    log_probs: Float[Tensor, " tokens"]
    residuals: Float[Tensor, "layers tokens width"]  # after each block, at the position that predicts the token


def batches(encoded: Sequence[Encoded], budget: int, device: torch.device) -> Iterator[tuple[list[int], Forest]]:
    """Which examples are run together, and they as a forest."""
    for batch in pack([len(each.ids) for each in encoded], budget):
        yield batch, plant([[encoded[i]] for i in batch]).to(device)


@torch.inference_mode()
def see(model: Model, forest: Forest, *, bf16: bool = False) -> Seen:
    """Run the network once, watching every layer."""
    with ExitStack() as stack:
        watched = [stack.enter_context(watch_residual(model, layer)) for layer in range(model.layout.depth)]
        stack.enter_context(torch.autocast(model.device.type, torch.bfloat16, enabled=bf16))
        log_probs = forward(model, forest).log_probs
    return Seen(log_probs.float(), torch.stack([each[0][forest.predictors] for each in watched]))


def means(values: Float[Tensor, "*rows tokens"], forest: Forest, tails: Sequence[int]) -> Float[Tensor, "*rows items"]:
    """Per-token values averaged over each example's answer, without the last `tails` tokens, which close it."""
    lengths = torch.bincount(forest.owner, minlength=forest.branches)
    kept = forest.index < (lengths - torch.tensor(tails, device=lengths.device))[forest.owner]
    counts = torch.bincount(forest.owner[kept], minlength=forest.branches)
    total = values.new_zeros(*values.shape[:-1], forest.branches, dtype=torch.float64)
    return total.index_add(-1, forest.owner[kept], values[..., kept].double()) / counts
