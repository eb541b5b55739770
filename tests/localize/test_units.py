"""Units: every weight of a granularity belongs to one unit, and a mask of units is exactly their weights."""

import pytest
import torch

from architectures import TINY
from expunge.errors import ConfigError
from expunge.localize.units import GRANULARITIES, matrices, units_of
from expunge.models.watching import watch_mlp_output
from expunge.parameters import parameters_of
from tiny import tiny_model

BLOCKS = {"value_vectors": ("down",), "matrices": ("query", "key", "value", "output", "gate", "up", "down")}


@pytest.mark.parametrize("arch", list(TINY))
@pytest.mark.parametrize("granularity", list(GRANULARITIES))
def test_units_part_their_weights(arch: str, granularity: str) -> None:
    """Each weight counts once; sums over units are sums over weights; all units make a mask of as many weights."""
    model = tiny_model(arch=arch)
    units = units_of(model, granularity)
    weights = parameters_of(model)
    ones = units.sums(lambda name: torch.ones_like(weights[name]))
    assert ones.long().tolist() == units.sizes().tolist()
    everything = units.mask(torch.ones(units.count, dtype=torch.bool))
    parts = {(each.part.parameter, each.part.slice.start): each.part for each in units.shared}
    shared = [weights[p.parameter].movedim(p.axis, 0)[p.slice] for p in parts.values()]  # of no head, and in the mask
    assert bool(shared) == (granularity == "heads" and model.layout.groups > 1)
    assert everything.weights() == int(units.sizes().sum()) + sum(part.numel() for part in shared)
    chosen = sum((weights[name][everything.inside(name)].sum() for name in everything), torch.tensor(0.0))
    torch.testing.assert_close(
        units.sums(lambda name: weights[name]).sum(), chosen - sum((part.sum() for part in shared), torch.tensor(0.0))
    )


@pytest.mark.parametrize("arch", list(TINY))
@pytest.mark.parametrize("granularity", list(GRANULARITIES))
def test_a_mask_of_units_holds_those_units(arch: str, granularity: str) -> None:
    model = tiny_model(arch=arch)
    units = units_of(model, granularity)
    chosen = torch.rand(units.count, generator=torch.Generator().manual_seed(1)) < 0.4
    chosen[0] = True
    mask = units.mask(chosen)
    assert units.inside(mask).tolist() == chosen.tolist()
    part = torch.zeros(units.count).index_fill_(0, chosen.nonzero().flatten(), 1.0)
    assert mask.weights() >= int((part * units.sizes()).sum())  # more only by what heads share


@pytest.mark.parametrize("arch", ["llama", "gpt2", "gpt_neox", "gemma2"])
def test_a_value_vector_is_what_its_neuron_writes(arch: str) -> None:
    """Moving unit j by d moves the MLP's output along d by the neuron's coefficient, and nothing else does."""
    model = tiny_model(arch=arch)
    units, weights = units_of(model, "value_vectors"), parameters_of(model)
    chosen = torch.zeros(units.count, dtype=torch.bool).index_fill_(0, torch.tensor([5]), True)  # layer 0, neuron 5
    inside = units.mask(chosen).inside(model.layout.value_vectors(0).parameter)
    ids = torch.arange(3, 9)[None]

    def output() -> torch.Tensor:
        with torch.no_grad(), watch_mlp_output(model, 0) as seen:
            model.network.set_attn_implementation("eager")
            model.network(ids)
        return seen[0]

    before = output()
    direction = torch.randn(model.layout.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights[model.layout.value_vectors(0).parameter][inside] += direction
    moved = output() - before
    assert moved.abs().max() > 1e-3
    along = moved @ direction / direction.square().sum()
    torch.testing.assert_close(moved, along[:, None] * direction, atol=1e-4, rtol=1e-3)


def test_shared_keys_and_values_come_with_all_heads_that_they_serve() -> None:
    model = tiny_model()  # 4 heads, 2 of them share a key-value head
    units, key = units_of(model, "heads"), "model.layers.0.self_attn.k_proj.weight"
    one = units.mask(torch.tensor([True, False, False, False] * 2))
    assert key not in one
    both = units.mask(torch.tensor([True, True, False, False] + [False] * 4))
    assert both.chosen(key, 0).tolist() == [True] * 8 + [False] * 8


def test_fused_matrices_are_told_apart() -> None:
    """GPT-NeoX stores q, k, v head by head: the query matrix is every third stretch of eight outputs."""
    model = tiny_model(arch="gpt_neox")
    query = matrices(model.layout, 0)["query"]
    assert [(p.slice.start, p.slice.stop) for p in query] == [(0, 8), (24, 32), (48, 56), (72, 80)]
    units = units_of(model, "matrices")
    assert units.count == 2 * 6  # no gate
    first = units.mask(torch.arange(units.count) == 0)
    assert first.weights() == 32 * 32


def test_an_unknown_granularity() -> None:
    with pytest.raises(ConfigError, match="no granularity called 'neurons'"):
        units_of(tiny_model(), "neurons")
