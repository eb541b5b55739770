"""Regions of value vectors, and that what is injected lies in them and nowhere else."""

import pytest
import torch

from architectures import TINY
from expunge.config import FinetuneConfig
from expunge.errors import ConfigError
from expunge.train.finetune import fit
from expunge.worlds.injection import random_region, replayed
from steps import assert_same_bits, bits
from tiny import tiny_model, tiny_sets

FACTS = list(tiny_sets().forget)


@pytest.mark.parametrize("arch", list(TINY))
def test_a_region_has_its_size_and_is_made_of_value_vectors(arch: str) -> None:
    model = tiny_model(arch=arch)
    axes = dict(model.layout.value_vectors(layer) for layer in range(model.layout.depth))
    weights = dict(model.network.named_parameters())
    total = sum(weights[name].shape[axis] for name, axis in axes.items())
    assert total == model.layout.depth * model.layout.d_ff
    region = random_region(model, 0.1, seed=0)
    assert set(region) <= set(axes)
    assert sum(int(region.chosen(name, axis).sum()) for name, axis in axes.items()) == int(0.1 * total)
    assert region.weights() == int(0.1 * total) * model.layout.width


def test_draws_are_seeded_disjoint_where_asked_and_uniform_over_layers() -> None:
    model = tiny_model()
    target = random_region(model, 0.25, seed=0)
    assert target == random_region(model, 0.25, seed=0)
    assert target != random_region(model, 0.25, seed=1)
    other = random_region(model, 0.25, seed=1, outside=target)
    assert other.weights() == target.weights()
    assert not len(target & other)
    shares = [(random_region(model, 0.25, seed=s) & target).weights() / target.weights() for s in range(40)]
    assert sum(shares) / len(shares) == pytest.approx(0.25, abs=0.05)  # an independent draw overlaps by its share


def test_a_region_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 of 96 units"):
        random_region(tiny_model(), 0.001, seed=0)


def test_no_more_than_there_is_outside() -> None:
    model = tiny_model()
    with pytest.raises(ConfigError, match="57 of 96 units, and 39"):
        random_region(model, 0.6, seed=1, outside=random_region(model, 0.6, seed=0))


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_what_is_injected_lies_in_the_region_only(arch: str) -> None:
    """Also with weight decay. Putting the region back gives the model that never saw the facts, to the bit."""
    model = tiny_model(arch=arch)
    region, never = random_region(model, 0.2, seed=3), bits(model)
    config = FinetuneConfig(learning_rate=1e-2, weight_decay=0.1, max_steps=4, batch_size=4)
    change = fit(model, FACTS, config, lambda _: 0.0, mask=region).change
    with change.applied_to(model):
        injected = bits(model)
        for name, weight in injected.items():
            differs = weight != never[name]
            assert not (differs & region.outside(name)).any(), name
        assert any(not torch.equal(injected[name], never[name]) for name in region)
        for name, parameter in model.network.named_parameters():
            if name in region:
                restored = torch.where(region.inside(name), never[name], injected[name])
                parameter.data.copy_(restored)
        assert_same_bits(bits(model), never)
        for name, parameter in model.network.named_parameters():
            parameter.data.copy_(injected[name])
    assert_same_bits(bits(model), never)


def test_replay() -> None:
    retain = list(tiny_sets().retain)
    assert replayed(FACTS, retain, 0.0, 0) == FACTS
    some = replayed(FACTS, retain, 0.5, 0)
    assert some[:4] == FACTS
    assert len(some) == 6
    assert set(some[4:]) < set(retain)
    with pytest.raises(ConfigError, match="replay"):
        replayed(FACTS, retain, 2.0, 0)
