"""Keys: against plain hooks, for every architecture; positions; the sink; edits on the way."""

import pytest
import torch
from torch import Tensor

from expunge.edit.facts import Row
from expunge.edit.keys import Reader
from expunge.edit.spreading import through
from expunge.models.model import Model
from expunge.models.watching import watch_mlp_input, watch_mlp_output, watch_residual
from expunge.parameters import parameters_of
from fact_work import facts, work
from tiny import ARCHITECTURES, tiny_model

BEFORE = ("", "what city ? ", "name the answer of ")


def alone(model: Model, row: Row, block: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
    """Key, output of the down projection, residual stream, of one row by itself."""
    with (
        torch.no_grad(), watch_mlp_input(model, block) as keys, watch_mlp_output(model, block) as gives,
        watch_residual(model, last) as states,
    ):  # fmt: skip
        model.network(torch.tensor([list(row.encoded.ids)]))
    return tuple(each[0].reshape(-1, each[0].shape[-1])[row.place].double() for each in (keys, gives, states))  # type: ignore[return-value]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_keys_of_all_facts_in_one_pass_are_those_of_each_alone(arch: str, tmp_path) -> None:
    model = tiny_model(arch=arch)
    rows = work(tmp_path, facts(4), model).encoded(facts(4), BEFORE)
    reader = Reader(model, rows, budget=40)
    table = parameters_of(model.network)
    for block in (0, 1):  # the second time from what was kept, below an edited block
        read = reader.read(block, 1)
        for i, each in enumerate(rows):
            found = [alone(model, row, block, 1) for row in each]
            torch.testing.assert_close(
                read.keys[i], torch.stack([key for key, _, _ in found]).mean(0), atol=1e-5, rtol=1e-4
            )
            for name, expected in zip(("bare", "gives", "state"), found[0]):
                torch.testing.assert_close(getattr(read, name)[i], expected, atol=1e-4, rtol=1e-4)
        with torch.no_grad():
            table[model.layout.value_vectors(block).parameter].mul_(1.5)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_key_times_the_weight_is_what_is_given_and_gain_leads_on(arch: str, tmp_path) -> None:
    """In the right orientation, bias included; behind it the norm of those architectures that have one."""
    model = tiny_model(arch=arch)
    read = Reader(model, work(tmp_path, facts(2), model).encoded(facts(2), ("",))).read(0, 0)
    name, axis = model.layout.value_vectors(0)
    weight = parameters_of(model.network)[name].detach().double()
    given = read.bare @ (weight.T if axis == 1 else weight)
    bias = dict(model.network.named_parameters()).get(name.replace("weight", "bias"))
    given = given if bias is None else given + bias.detach().double()
    torch.testing.assert_close(given, read.gives, atol=1e-5, rtol=1e-4)
    behind = arch in ("gemma2", "gemma3_text", "gemma3", "olmo2")
    assert bool((read.gain != 1).any()) == behind
    assert (model.layout.after_mlp(0) is not None) == behind


def test_blocks_are_read_in_ascending_order(tmp_path) -> None:
    model = tiny_model()
    reader = Reader(model, work(tmp_path, facts(1), model).encoded(facts(1), ("",)))
    reader.read(1, 1)
    with pytest.raises(ValueError, match="ascending"):
        reader._below(reader._batches[0], 0)


def test_where_the_norm_lets_nothing_through_nothing_is_wanted() -> None:
    gap, gain = torch.tensor([[2.0, 3.0, 4.0, 5.0]]), torch.tensor([[2.0, -1.0, 0.0, 1e-9]])
    assert through(gap, gain).tolist() == [[1.0, -3.0, 0.0, 0.0]]
