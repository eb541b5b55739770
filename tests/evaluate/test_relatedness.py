"""R, worked out by hand and against autograd; groups and sets; sketches against all numbers; where it is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expunge.config import RelateConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.evaluate.relatedness import Item, Related, chosen_parameters, projection_of, relatedness
from expunge.models.gradient_products import weights_of
from expunge.models.gradients import mean_gradient
from tiny import tiny_model, tiny_sets


def _made(vectors: list[tuple[float, ...]], sets: str, groups: str | None = None) -> Related:
    """What `relatedness` would give for these gradients; a letter for each row's set and group."""
    rows = np.array(vectors, dtype=float)
    items = tuple(Item(s, f"{s}{i}", g) for i, (s, g) in enumerate(zip(sets, groups or sets)))
    return Related(items, rows @ rows.T)


def test_by_hand() -> None:
    """(3, 4) and (4, 3): 24/25. (0, 2) and (5, 0): 0. A gradient of zero has no R."""
    found = _made([(3, 4), (4, 3), (0, 2), (5, 0), (0, 0)], "aabbb").cosines
    assert found[0, 1] == pytest.approx(0.96)
    assert found[0, 2] == pytest.approx(0.8)
    assert found[2, 3] == 0
    assert np.isnan(found[4]).all()
    assert found[:4, :4].diagonal() == pytest.approx(1)


def test_rows_together_add_their_gradients() -> None:
    """(3, 4) + (4, 3) = (7, 7) against (0, 2) + (5, 0) = (5, 2): 49 / (√98 · √29)."""
    made = _made([(3, 4), (4, 3), (0, 2), (5, 0)], "aabb")
    whole = made.by_set()
    assert [(item.set, item.id, item.examples) for item in whole.items] == [("a", "a0", 2), ("b", "b2", 2)]
    assert whole.cosines[0, 1] == pytest.approx(49 / (98 * 29) ** 0.5)
    assert made.to("a")[2:] == pytest.approx([14 / (2 * 98**0.5), 35 / (5 * 98**0.5)])


def test_an_example_of_a_set_is_compared_with_the_rest_of_it() -> None:
    made = _made([(3, 4), (4, 3), (0, 2)], "aab")
    assert made.to("a")[:2] == pytest.approx([0.96, 0.96])
    assert np.isnan(made.to("b")[2])  # there is no rest


def test_groups_of_different_sets_stay_apart() -> None:
    made = _made([(1, 0), (0, 1), (1, 1)], "aab", "xxx").by_group()
    assert [(item.set, item.examples) for item in made.items] == [("a", 2), ("b", 1)]
    assert made.cosines[0, 1] == pytest.approx(1)


def _sets():
    sets = tiny_sets()
    grouped = [replace(e, group=f"g{i % 2}") for i, e in enumerate(sets.forget)]
    return {"forget": grouped, "retain": list(sets.retain)}


def test_a_set_is_its_mean_gradient() -> None:
    """R of sets and groups is the cosine of what `mean_gradient` gives, here where no token closes an answer."""
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    sets = _sets()
    found = relatedness(model, sets, RelateConfig(), encoder)
    names = chosen_parameters(model, ())

    def direction(examples) -> torch.Tensor:
        encoded = [replace(e, ids=e.ids[: len(e.ids) - e.tail], tail=0) for e in encoder.encode_all(examples)]
        gradient = mean_gradient(model, names, encoded, budget=64)
        return torch.nn.functional.normalize(torch.cat([g.flatten() for g in gradient.values()]), dim=0)

    forget, retain = (direction(sets[name]) for name in ("forget", "retain"))
    assert found.by_set().cosines[0, 1] == pytest.approx(float(forget @ retain), abs=1e-5)
    group = direction([e for e in sets["forget"] if e.group == "g0"])
    other = direction([e for e in sets["forget"] if e.group == "g1"])
    assert found.by_group().cosines[0, 1] == pytest.approx(float(group @ other), abs=1e-5)
    single = direction(sets["retain"][:1])
    assert found.to("forget")[4] == pytest.approx(float(single @ forget), abs=1e-5)


def test_projected_is_near_exact_and_says_how_near() -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    exact = relatedness(model, _sets(), RelateConfig(projection=0), encoder)
    found = relatedness(model, _sets(), RelateConfig(projection=4096), encoder)
    assert (exact.projection, exact.error, found.projection, found.error) == (None, 0, 4096, 1 / 64)
    assert np.abs(found.cosines - exact.cosines).max() < 5 * found.error
    assert np.abs(found.cosines - exact.cosines).max() > 1e-4
    again = relatedness(model, _sets(), RelateConfig(projection=4096), encoder)
    assert np.array_equal(again.products, found.products)


def test_it_is_projected_where_memory_does_not_do() -> None:
    model = tiny_model()
    names = chosen_parameters(model, ())
    weights = weights_of(model, names)
    fitting = 2**20 // (4 * weights)
    assert projection_of(model, names, fitting, RelateConfig(memory=1)) is None
    assert projection_of(model, names, fitting + 1, RelateConfig(memory=1)) == RelateConfig().usual_projection
    assert projection_of(model, names, 10**9, RelateConfig(projection=0)) is None
    assert projection_of(model, names, 1, RelateConfig(projection=7)) == 7


def test_parameters_by_pattern() -> None:
    model = tiny_model()
    some = chosen_parameters(model, ("*layers.1.mlp*", "model.norm.weight"))
    assert len(some) == 4
    assert some[-1] == "model.norm.weight"
    only = relatedness(model, _sets(), RelateConfig(parameters=("*layers.1.mlp*",)), Encoder(model.tokenizer))
    assert only.weights == 3 * 32 * 48
    with pytest.raises(ConfigError, match="no parameter matches"):
        chosen_parameters(model, ("*layer.1*",))


def test_other_sets_beside_change_nothing() -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    both = relatedness(model, _sets(), RelateConfig(), encoder)
    alone = relatedness(model, {"retain": _sets()["retain"]}, RelateConfig(), encoder)
    assert np.abs(alone.cosines - both.cosines[4:, 4:]).max() < 1e-5
