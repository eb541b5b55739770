"""The oracle finds what was planted, and nothing else; random stays outside what it is told to."""

import pytest
import torch

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.errors import ChangeError, ConfigError
from expunge.localize.localizing import localize
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.worlds.injection import random_region
from tiny import tiny_model


def found(model: Model, name: str, options: dict, **settings: object) -> Mask:
    config = LocalizeConfig.model_validate({"localizer": name, **settings})
    return localize(model, (), (), config, Encoder(model.tokenizer), options=options).mask


@pytest.mark.parametrize("granularity", ["value_vectors", "rows", "matrices", "weights", "layers"])
def test_the_region_whatever_the_budget(granularity: str) -> None:
    model = tiny_model()
    region = random_region(model, 0.5, seed=1, granularity=granularity)
    assert found(model, "oracle", {"mask": region}, granularity=granularity, budget=0.01) == region


def test_the_region_from_its_file(tmp_path) -> None:
    model = tiny_model()
    region = random_region(model, 0.25, seed=1)
    region.save(tmp_path / "mask.safetensors")
    config = LocalizeConfig(localizer="oracle", options={"mask": str(tmp_path / "mask.safetensors")})
    assert localize(model, (), (), config, Encoder(model.tokenizer)).mask == region


def test_a_region_of_other_units_is_refused() -> None:
    model = tiny_model()
    with pytest.raises(ConfigError, match="does not consist of rows"):
        found(model, "oracle", {"mask": random_region(model, 0.25, seed=1)}, granularity="rows")


def test_without_a_region() -> None:
    with pytest.raises(ConfigError, match="name the region"):
        found(tiny_model(), "oracle", {})


def test_random_outside_is_disjoint_and_as_large() -> None:
    model = tiny_model()
    region = random_region(model, 0.25, seed=1)
    other = found(model, "random", {"outside": region}, budget=0.25, seed=1)
    assert not len(region & other)
    assert other.weights() == region.weights()


def test_random_leaves_out_what_a_region_only_touches() -> None:
    """A row of the down projection has a weight of every value vector of its layer."""
    model = tiny_model()
    row = Mask.of(model.network, {"model.layers.0.mlp.down_proj.weight": (0, [3])})
    other = found(model, "random", {"outside": row}, budget=0.5)
    assert not len(row & other)
    assert set(other) == {"model.layers.1.mlp.down_proj.weight"}


def test_random_outside_another_network_s_mask() -> None:
    with pytest.raises(ChangeError, match="another network"):
        found(tiny_model(), "random", {"outside": random_region(tiny_model(arch="gpt2"), 0.25, seed=0)})


def test_random_is_another_draw_than_a_planted_region() -> None:
    """At equal seeds, which are the defaults: else the control would find everything."""
    model = tiny_model()
    assert found(model, "random", {}, budget=0.25) != random_region(model, 0.25, seed=0)


def test_random_is_uniform() -> None:
    """Each unit is drawn as often as its share, over many seeds (binomial, 5 standard deviations)."""
    model = tiny_model()
    units = units_of(model, "value_vectors")
    draws = torch.stack(
        [units.inside(found(model, "random", {}, budget=0.25, seed=seed)) for seed in range(200)]
    ).float()
    assert (draws.mean(0) - 0.25).abs().max() < 5 * (0.25 * 0.75 / 200) ** 0.5
    assert int(draws[0].sum()) == 24
