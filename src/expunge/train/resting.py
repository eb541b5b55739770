"""Resting: a forget example that is down to its never-known level has no part in the gradient until it resurfaces."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from expunge.data.forest import pack
from expunge.models.model import Model
from expunge.train.measure import Item, measure

REST_NEEDS = ("policy", "answer_length")  # what tells


def above(levels: Tensor, items: Sequence[Item], measured: Mapping[str, Tensor]) -> Tensor:
    """Bool[items]: which are likelier than never-known; `levels` are mean log-probabilities per token, of the set."""
    policy = measured["policy"].detach()
    return policy / measured["answer_length"] > levels[[item.index for item in items]].to(policy)


@torch.no_grad()
def awake(model: Model, levels: Tensor, items: Sequence[Item], *, budget: int, bf16: bool) -> frozenset[int]:
    """The same by index, of the model itself: for a loss that is taken of one that wrappers disturb."""
    found: list[int] = []
    for batch in pack([item.size for item in items], budget):
        some = [items[i] for i in batch]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            measured, _ = measure(model, some, REST_NEEDS, None, None)
        found.extend(item.index for item, known in zip(some, above(levels, some, measured)) if known)
    return frozenset(found)
