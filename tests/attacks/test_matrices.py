"""Matrices rewritten within a block: which they are, how they lie, and that the very bits come back."""

import pytest
import torch
from torch import Tensor

from expunge.attacks.matrices import rewritten
from steps import assert_same_bits, bits
from tiny import ARCHITECTURES, tiny_model


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_only_the_matrices_of_the_blocks_change(arch: str) -> None:
    model = tiny_model(arch=arch)
    before = bits(model)
    with rewritten(model, lambda weight: weight * 2):
        inside = bits(model)
    assert_same_bits(bits(model), before)
    moved = {name for name in before if not torch.equal(before[name], inside[name])}
    assert moved == {
        name for name in before if name.startswith(model.layout.blocks) and before[name].dim() == 2
    }  # norms and biases have one axis
    for name in moved:
        assert torch.equal(inside[name], before[name] * 2)


def test_a_transposed_matrix_is_turned() -> None:
    """GPT-2 stores [in, out]; its rewrite sees [out, in], as everyone's does."""
    model = tiny_model(arch="gpt2")
    shapes = []

    def first_output_only(weight: Tensor) -> Tensor:
        shapes.append(tuple(weight.shape))
        changed = weight.clone()
        changed[0] = 0.0
        return changed

    with rewritten(model, first_output_only):
        up = model.network.get_parameter("transformer.h.0.mlp.c_fc.weight")
        assert up.shape == (32, 48)
        assert not up[:, 0].any() and up[:, 1].all()
    assert (96, 32) in shapes and (48, 32) in shapes and (32, 48) in shapes


def test_the_bits_come_back_after_errors() -> None:
    model = tiny_model()
    before = bits(model)
    with pytest.raises(ZeroDivisionError), rewritten(model, lambda weight: weight + 1):
        raise ZeroDivisionError
    assert_same_bits(bits(model), before)
    seen = []

    def stumbling(weight: Tensor) -> Tensor:
        seen.append(weight)
        if len(seen) == 3:
            raise ZeroDivisionError
        return weight + 1

    with pytest.raises(ZeroDivisionError), rewritten(model, stumbling):
        pass
    assert_same_bits(bits(model), before)


def test_the_type_stays() -> None:
    model = tiny_model()
    model.network.to(torch.bfloat16)
    before = bits(model)
    with rewritten(model, lambda weight: weight * 1.5):
        assert {each.dtype for each in bits(model).values()} == {torch.bfloat16}
    assert_same_bits(bits(model), before)
