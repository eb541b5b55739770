"""Attention in bfloat16 on a processor: where it is computed in float32, and that results are then float32's."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from expunge.models.attention import _SHORT, _attend


def drawn(length: int, learns: bool) -> tuple[Tensor, Tensor, Tensor]:
    """As under autocast: positions were turned in float32, values come from a linear layer in bfloat16."""
    made = torch.randn(3, 2, 4, length, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    query, key, value = made[0].float(), made[1].float(), made[2].clone()
    return query.requires_grad_(learns), key.requires_grad_(learns), value.requires_grad_(learns)


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return _attend(query, key, value, mask, None, None)


@pytest.mark.parametrize("masked", [False, True])
def test_short_texts_learn_from_attention_in_float32(masked: bool) -> None:
    mask = torch.ones(2, 1, 9, 9, dtype=torch.bool).tril() if masked else None
    given, wide = drawn(9, True), [each.detach().float().requires_grad_() for each in drawn(9, True)]
    found = attended(*given, mask)
    exact = scaled_dot_product_attention(*wide, attn_mask=mask, is_causal=not masked)
    assert found.dtype == torch.bfloat16 and torch.equal(found, exact.bfloat16())
    upstream = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    found.backward(upstream)
    exact.backward(upstream.float())
    for one, other in zip(given, wide, strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad.to(one.dtype))


@pytest.mark.parametrize(("length", "learns"), [(_SHORT + 1, True), (9, False)])
def test_long_texts_and_what_learns_nothing_stay_in_bfloat16(length: int, learns: bool) -> None:
    given = drawn(length, learns)
    low = scaled_dot_product_attention(*(each.detach().bfloat16() for each in given), is_causal=True)
    assert torch.equal(attended(*given), low)
