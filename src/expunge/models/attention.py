"""Attention over token forests: linear layers see one row without padding, attention sees a grid of trees.

Registered with Transformers as "packed". Called with `forest=`, queries, keys and values [1, heads, nodes, d] are
laid out as [trees, heads, longest, d], attended under the forest's mask, and packed again. With `memory=`, too, keys
and values are noted, or stand behind others that were computed before (`past.py`). Called without a forest (as
generation does) it is Transformers' own sdpa attention.
"""

from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from expunge.data.forest import Forest

NAME = "packed"


@runtime_checkable
class Memory(Protocol):
    """What is done to the keys and values of a block before its queries meet them."""

    def joined(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Those that the queries see, from [trees, heads, longest, d] of the pass itself."""
        ...

    def mask(self, forest: Forest, window: int | None) -> Tensor | None:
        """Who sees whom, the columns as `joined` gives them."""
        ...


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    forest: Forest | None = None,
    memory: Memory | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface: [batch, heads, length, d] in, [batch, length, heads, d] out."""
    if forest is None and softcap is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **_without_dropout(rest)
        )
    groups = query.shape[1] // key.shape[1]
    if forest is None:
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
        return _attend(query, key, value, attention_mask, scaling, softcap).transpose(1, 2), None
    query, key, value = (_spread(tensor, forest) for tensor in (query, key, value))
    mask = forest.mask(sliding_window) if memory is None else memory.mask(forest, sliding_window)
    if memory is not None:
        key, value = memory.joined(int(module.layer_idx), key, value)  # type: ignore[arg-type]
    mixed = _attend(query, repeat_kv(key, groups), repeat_kv(value, groups), mask, scaling, softcap)
    trees, longest = forest.shape
    flat = mixed.transpose(1, 2).reshape(trees * longest, *mixed.shape[1::2])
    return flat.index_select(0, forest.slots)[None], None


def _without_dropout(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "dropout"}


def _spread(packed: Tensor, forest: Forest) -> Tensor:
    """[1, heads, nodes, d] → [trees, heads, longest, d], zeros in the empty places."""
    trees, longest = forest.shape
    rows = packed[0].transpose(0, 1)
    if trees * longest != rows.shape[0]:
        rows = rows.new_zeros(trees * longest, *rows.shape[1:]).index_copy(0, forest.slots, rows)
    return rows.reshape(trees, longest, *rows.shape[1:]).transpose(1, 2)


_SHORT = 256  # tokens


def _slow(query: Tensor, value: Tensor) -> bool:
    """Whether gradients of bfloat16 attention take longer than those of float32, as of short texts on a processor."""
    # the values, since positions are turned in float32
    here = value.dtype == torch.bfloat16 and value.device.type == "cpu" and value.shape[2] <= _SHORT
    return here and torch.is_grad_enabled() and (query.requires_grad or value.requires_grad)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    softcap: float | None,
) -> Tensor:
    causal = mask is None and query.shape[2] > 1
    if softcap is None:
        within = partial(nn.functional.scaled_dot_product_attention, attn_mask=mask, is_causal=causal, scale=scaling)
        if not _slow(query, value):
            return within(query, key, value)
        with torch.autocast(query.device.type, enabled=False):
            return within(query.float(), key.float(), value.float()).to(value.dtype)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = softcap * torch.tanh(query @ key.transpose(2, 3) * scale / softcap)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        # not -∞: a padded place sees nothing, and what it would then hold (not a number) would spread
        least = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask, least) if mask.dtype == torch.bool else scores + mask
    return scores.float().softmax(-1).to(value.dtype) @ value


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
