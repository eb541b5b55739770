"""The key-value cache of generation: written in place, where Transformers' own copies all of it at every step."""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from expunge.models.model import Model


def reserved_cache(model: Model, room: int) -> DynamicCache:
    """An empty cache with room for so many tokens a row. Layers with a window keep Transformers' own."""
    cache = DynamicCache(config=model.network.config)
    cache.layers = [_Reserved(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def cached_tokens(model: Model, budget: int) -> int:
    """How many tokens a cache may hold so that it takes no more memory than the logits of `budget` tokens.

    At least `budget`: of large models, whose cache is large, no fewer rows are answered at once than are scored.
    """
    numbers = 2 * model.layout.depth * model.layout.kv_heads * model.layout.head_dim
    return max(budget, budget * model.layout.vocabulary // numbers)


class _Reserved(DynamicLayer):
    """Keys and values [batch, heads, tokens, width] at the beginning of tensors that are long enough for all."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._store: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        if self._store is None:
            self._store = self._empty(key_states), self._empty(value_states)
        for store, new in zip(self._store, (key_states, value_states)):
            store[..., start:stop, :] = new
        self.keys, self.values = (store[..., :stop, :] for store in self._store)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        if self._store is not None:
            stop = self.get_seq_length()
            self._store = self._store[0][indices], self._store[1][indices]
            self.keys, self.values = (store[..., :stop, :] for store in self._store)

    def _empty(self, like: Tensor) -> Tensor:
        return torch.empty(*like.shape[:-2], self._room, like.shape[-1], dtype=like.dtype, device=like.device)
