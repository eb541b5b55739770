"""Every registered localizer, at each granularity that it declares, on every architecture."""

from dataclasses import replace
from functools import lru_cache
from inspect import Parameter
from typing import Any

import pytest
import torch
from torch import Tensor

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.localize import ALL, localizers
from expunge.localize.localizing import Localized, localize
from expunge.localize.units import units_of
from expunge.models.model import Model
from steps import assert_same_bits, bits, unequal_sets
from tiny import ARCHITECTURES, tiny_model

NAMES = list(localizers)
CASES = [(name, granularity) for name in NAMES for granularity in localizers.get(name).granularities]
FAST: dict[str, dict[str, Any]] = {"knowledge_neurons": {"steps": 2}, "causal_tracing": {"draws": 1}}
BUDGET = 0.5


@lru_cache
def model_of(arch: str) -> Model:
    """With gradients and frozen parameters, as training may leave a model."""
    model = tiny_model(arch=arch)
    for i, parameter in enumerate(model.network.parameters()):
        parameter.requires_grad_(i % 3 > 0)
        parameter.grad = torch.ones_like(parameter) if i % 3 == 1 else None
    return model


def found(model: Model, name: str, granularity: str, **changes: Any) -> Localized:
    sets: Sets = changes.pop("sets", unequal_sets())
    options = dict(FAST.get(name, {}))
    if name == "oracle":
        units = units_of(model, granularity)
        options["mask"] = units.mask(torch.arange(units.count) % 2 == 0)
    config = LocalizeConfig(localizer=name, granularity=granularity, budget=BUDGET, seed=changes.pop("seed", 0))  # type: ignore[arg-type]
    encoder = Encoder(model.tokenizer)
    return localize(model, sets.forget, sets.retain, config, encoder, options=options, **changes)


def hooks(model: Model) -> int:
    modules = model.network.modules()
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + ("forward" in vars(m)) for m in modules)


def assert_alike(one: Tensor, other: Tensor) -> None:
    assert torch.equal(one.isinf(), other.isinf())
    finite = one.isfinite()
    scale = float(one[finite].abs().max())
    # scores may be differences of probabilities, each with a rounding error of its own
    torch.testing.assert_close(one[finite], other[finite], rtol=1e-4, atol=max(1e-4 * scale, 1e-8))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(("name", "granularity"), CASES)
def test_selection_model_batches_and_order(name: str, granularity: str, arch: str) -> None:
    """As many units as the budget says; the model as before; one example at a time in another order gives the same."""
    model, sets = model_of(arch), unequal_sets()
    before, parameters = bits(model), list(model.network.parameters())
    states = [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in parameters]
    steps: list[tuple[int, int]] = []
    result = found(model, name, granularity, tokens=10_000, tick=lambda done, total: steps.append((done, total)))

    assert len(result.scores) == result.units.count > 0
    assert not result.scores.isnan().any() and not (result.scores == torch.inf).any()
    expected = (result.units.count + 1) // 2 if name == "oracle" else int(BUDGET * result.units.count)
    assert result.chosen == expected == int(result.units.inside(result.mask).sum())
    assert bool(steps) == bool(localizers.get(name).looks_at)
    assert all(total == sum(done for done, _ in steps) for _, total in steps)

    assert_same_bits(before, bits(model))
    assert hooks(model) == 0 and not model.network.training
    for parameter, (wanted, gradient) in zip(parameters, states, strict=True):
        assert parameter.requires_grad == wanted
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.equal(parameter.grad, gradient)  # type: ignore[arg-type]

    turned = replace(sets, forget=sets.forget[::-1], retain=sets.retain[::-1])
    assert_alike(result.scores, found(model, name, granularity, sets=turned, tokens=1).scores)


@pytest.mark.parametrize(("name", "granularity"), CASES)
def test_the_seed_decides(name: str, granularity: str) -> None:
    model = model_of("llama")
    one, same, other = (found(model, name, granularity, seed=seed) for seed in (0, 0, 1))
    assert one.mask == same.mask and torch.equal(one.scores, same.scores)
    drawn = name == "random" or localizers.get(name).subjects
    assert torch.equal(one.scores, other.scores) != drawn


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_takes_only_its_own_options(name: str) -> None:
    entry = localizers.get(name)
    assert entry.summary and entry.paper.startswith("arXiv:") and entry.function.__doc__
    assert entry.granularities and set(entry.granularities) <= set(ALL)
    for option, parameter in entry.options.items():
        assert parameter.default is not Parameter.empty, f"{option} has no default"
        assert parameter.annotation is not Parameter.empty, f"{option} has no type"
        assert entry.check({option: parameter.default}, entry.granularities[0]) == {option: parameter.default}
    with pytest.raises(ConfigError, match="no_such_option"):
        entry.check({"no_such_option": 1}, entry.granularities[0])
    for granularity in {*ALL, "no_such_granularity"} - {*entry.granularities}:
        with pytest.raises(ConfigError, match=granularity):
            entry.check({}, granularity)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_looks_at_must_be_there(name: str) -> None:
    entry, sets = localizers.get(name), unequal_sets()
    granularity = entry.granularities[0]
    for which in entry.looks_at:
        with pytest.raises(ConfigError, match=which):
            found(model_of("llama"), name, granularity, sets=replace(sets, **{which: ()}))
    if entry.subjects:
        bare = tuple(replace(example, subject=None) for example in sets.forget)
        with pytest.raises(ConfigError, match="subject"):
            found(model_of("llama"), name, granularity, sets=replace(sets, forget=bare))
