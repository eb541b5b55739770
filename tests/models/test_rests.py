"""Rests: a pass from one token and one block on gives what the whole pass gives, for every architecture."""

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.models.model import Model
from expunge.models.rests import Place, rests
from expunge.models.scoring import forward
from expunge.models.watching import edit_mlp_output, edit_residual
from tiny import ARCHITECTURES, tiny_model

ROWS = (
    Encoded((3, 4, 5, 15, 6, 7, 9, 12), 6, "a"),
    Encoded((8, 3, 4, 5, 16, 6, 25), 6, "b"),
    Encoded((17, 26, 9, 9), 1, "c"),  # its place is the very first token
    Encoded((3, 9, 8, 4, 12, 11, 10, 3, 4, 5, 18, 27), 11, "d"),  # longer than the windows
)
PLACES = (3, 4, 0, 10)


def whole(model: Model, place: Place, added: Tensor) -> Tensor:
    """The naive way: everything, with a hook that adds at each row's place."""
    forest = plant([[row] for row in ROWS])
    sizes = torch.tensor([len(row.ids) - 1 for row in ROWS])
    nodes = sizes.cumsum(0) - sizes + torch.tensor(PLACES)

    def add(state: Tensor) -> Tensor:
        return state.flatten(0, -2).index_add(0, nodes, added).view_as(state)

    with (edit_mlp_output if place.mlp else edit_residual)(model, place.layer, add):
        return forward(model, forest).log_probs


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("place", [Place(0), Place(1), Place(0, mlp=True), Place(1, mlp=True)], ids=str)
def test_values_and_gradients_are_those_of_whole_passes(arch: str, place: Place) -> None:
    model = tiny_model(arch=arch)
    added = torch.randn(len(ROWS), model.layout.width, generator=torch.Generator().manual_seed(0))
    found = []
    for way in ("rests", "whole"):
        delta = added.clone().requires_grad_()
        if way == "rests":
            log_probs = rests(model, ROWS, PLACES, place).run(model, delta).log_probs
        else:
            log_probs = whole(model, place, delta)
        log_probs.sum().backward()
        found.append((log_probs.detach(), delta.grad))
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert float((found[0][0] - whole(model, place, torch.zeros_like(added)).detach()).abs().max()) > 1e-3


@pytest.mark.parametrize("arch", ["llama", "mistral", "gpt2", "gemma2"])
def test_some_rows_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    added = torch.randn(len(ROWS), model.layout.width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        all_rows = rests(model, ROWS, PLACES, Place(0))
        some = all_rows.of([0, 2]).run(model, added[[0, 2]])
        everything = all_rows.run(model, added)
        owner = all_rows.forest.owner
    both = everything.log_probs[(owner == 0) | (owner == 2)]
    torch.testing.assert_close(some.log_probs, both, rtol=1e-5, atol=1e-5)
