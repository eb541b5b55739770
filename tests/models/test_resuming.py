"""Resuming: what lies below is not computed again, and nothing else changes."""

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoder
from expunge.data.forest import Forest, plant
from expunge.models.model import Model
from expunge.models.resuming import blocks_seen, resumed
from expunge.models.scoring import forward
from expunge.models.watching import edit_mlp_input, module_at, watch_residual
from tiny import ARCHITECTURES, tiny_model, tiny_sets


def forest_of(model: Model) -> Forest:
    return plant([[each] for each in Encoder(model.tokenizer).encode_all(tiny_sets().forget)])


@pytest.mark.parametrize("arch", ARCHITECTURES)
@torch.no_grad()
def test_the_rest_is_as_in_a_whole_pass(arch: str) -> None:
    """Also when something is edited from that block on; and not when it is edited below."""
    model = tiny_model(arch=arch)
    forest = forest_of(model)
    with blocks_seen(model) as outputs, watch_residual(model, 0) as whole:
        plain = forward(model, forest).log_probs

    def halve(coefficients: Tensor) -> Tensor:
        return coefficients / 2

    with edit_mlp_input(model, 1, halve):
        edited = forward(model, forest).log_probs
        with resumed(model, 1, outputs), watch_residual(model, 0) as below:
            torch.testing.assert_close(forward(model, forest).log_probs, edited, rtol=0, atol=0)
    assert torch.equal(below[0], whole[0])
    with edit_mlp_input(model, 0, halve), resumed(model, 1, outputs):
        torch.testing.assert_close(forward(model, forest).log_probs, plain, rtol=0, atol=0)
    assert not torch.equal(edited, plain)


def fails(_: Tensor) -> Tensor:
    raise RuntimeError("inside")


def test_blocks_have_their_own_forward_again() -> None:
    model = tiny_model()
    forest = forest_of(model)
    block = module_at(model, model.layout.block(0))
    own = block.forward
    with blocks_seen(model) as outputs:
        expected = forward(model, forest).log_probs
    with pytest.raises(RuntimeError, match="inside"), resumed(model, 1, outputs), edit_mlp_input(model, 1, fails):
        forward(model, forest)
    assert "forward" not in vars(block)
    block.forward = own  # as something that wraps a module leaves it
    with resumed(model, 1, outputs):
        assert block.forward is not own
    assert vars(block)["forward"] is own
    torch.testing.assert_close(forward(model, forest).log_probs, expected, rtol=0, atol=0)
