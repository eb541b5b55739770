"""The retrained model as losses see it: what its MLPs give, measured once, and no second model while training."""

import weakref
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

import expunge as ex
from expunge.config import TrainConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError, ModelError
from expunge.mask import Mask
from expunge.models import scoring
from expunge.models.model import Model
from expunge.runs.unlearn import check_method
from expunge.train import retrained as finding
from expunge.train.levels import mean_log_probs
from expunge.train.loop import Loop
from expunge.train.measure import Item, measure
from expunge.train.reference import Reference
from expunge.train.retrained import retrained_level
from expunge.train.unlearn import train
from steps import (
    assert_close,
    assert_same_bits,
    before_each_step,
    bits,
    gradient,
    recorded,
    retrained_folder,
    retrained_model,
    settings,
    taught_model,
    unequal_sets,
)
from tiny import ARCHITECTURES, tiny_model

NAMES = ("mlp", "retrained_mlp", "alternate_mlp", "alternate_retrained_mlp")
DOWN = "model.layers.0.mlp.down_proj.weight"


def items_of(model: Model) -> list[Item]:
    encoder = Encoder(model.tokenizer)
    return [
        Item(i, 1.0, encoder.encode(e), encoder.encode(e, answer=e.alternate))
        for i, e in enumerate(unequal_sets().forget)
    ]


def answers_of(model: Model) -> list[Item]:
    """Without second answers, longest first: cached and measured in one and the same batch."""
    items = [Item(item.index, 1.0, item.answer) for item in items_of(model)]
    return sorted(items, key=lambda item: -item.size)


def cached(model: Model, items: list[Item], budget: int = 4096) -> Reference:
    reference = Reference(model, {"mlp"}, None, head_changes=False)
    reference.fill(model, items, budget=budget)
    return reference


def loss_between(model: Model, retrained: Reference, items: list[Item]) -> Tensor:
    """Per token."""
    with torch.no_grad():
        measured, _ = measure(model, items, ("mlp", "retrained_mlp"), None, None, retrained=retrained)
    return ((measured["mlp"] - measured["retrained_mlp"]) ** 2).mean((1, 2))


def by_hand(arch: str, seed: int, items: list[Item], *, second: bool) -> Tensor:
    """Every text alone, through plain Transformers: what the down projections give one place before each token."""
    model = tiny_model(seed, arch=arch, attention="eager")
    seen: list[Tensor] = []
    for layer in range(model.layout.depth):
        down = model.network.get_submodule(model.layout.mlp_out(layer))
        down.register_forward_hook(lambda _, __, given: seen.append(given.reshape(-1, model.layout.width)))
    rows = []
    for item in items:
        encoded = item.alternate if second else item.answer
        assert encoded is not None
        seen.clear()
        with torch.no_grad():
            model.network(input_ids=torch.tensor([encoded.ids]), use_cache=False)
        rows.append(torch.stack(seen, 1)[encoded.start - 1 : -1])
    return torch.cat(rows)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_is_measured_is_what_the_down_projections_give(arch: str) -> None:
    """Of both models, at the positions that predict the tokens; filled and read in different batches and orders."""
    model, other = tiny_model(arch=arch), tiny_model(1, arch=arch)
    items = items_of(model)
    retrained = cached(other, items, budget=20)
    with torch.no_grad():
        found, _ = measure(model, items[::-1], NAMES, None, None, retrained=retrained)
    for name in NAMES:
        expected = by_hand(arch, int("retrained" in name), items[::-1], second="alternate" in name)
        torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-5)


def test_of_a_model_that_is_the_retrained_one_nothing_is_left() -> None:
    """Of the same batch not a bit; through the loop, which batches in another way, rounding only."""
    model = taught_model()
    items = answers_of(model)
    assert torch.equal(loss_between(model, cached(model, items), items), torch.zeros(10))
    trained = train(model, unequal_sets(), settings("mlp_regression", max_steps=1), retrained=taught_model())
    assert trained.points[-1].loss == pytest.approx(0.0, abs=1e-10)
    assert trained.points[-1].retain_loss == pytest.approx(0.0, abs=1e-10)


def test_restoring_the_region_leaves_nothing_and_training_it_comes_nearer() -> None:
    """θ_o is θ_r but for some value vectors. Put back, they give θ_r; others are the same in both already."""
    retrained, model = taught_model(), taught_model()
    items = answers_of(model)
    region, elsewhere = [1, 5, 30], [0, 2, 40]
    weight, gold = (each.network.get_parameter(DOWN) for each in (model, retrained))
    with torch.no_grad():
        weight[:, region] += torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    start, reference = bits(model), cached(retrained, items)
    before = loss_between(model, reference, items)
    assert (before > 0).all()
    with torch.no_grad():
        weight[:, elsewhere] = gold[:, elsewhere]
    assert torch.equal(loss_between(model, reference, items), before)
    mask = Mask.of(model.network, {DOWN: (1, region)})
    config = settings("mlp_regression", max_steps=60, learning_rate=3e-2)
    trained = train(model, unequal_sets(), config, mask=mask, retrained=retrained)
    assert_same_bits(start, bits(model))
    with trained.change.applied_to(model):
        assert loss_between(model, reference, items).mean() < 0.1 * before.mean()
    with torch.no_grad():
        weight[:, region] = gold[:, region]
    assert torch.equal(loss_between(model, reference, items), torch.zeros_like(before))


@pytest.mark.parametrize("lora", [None, 2], ids=["weights", "adapter"])
def test_by_name_or_loaded_it_is_the_same(lora: int | None) -> None:
    changes = {"lora": lora, "max_steps": 3}
    named = train(taught_model(), unequal_sets(), settings("mlp_regression", **changes))
    config = settings("mlp_regression", retrained=None, **changes)
    loaded = train(taught_model(), unequal_sets(), config, retrained=retrained_model())
    assert dict(named.change.results) == dict(loaded.change.results)


def test_it_is_loaded_once_and_gone_before_the_first_step() -> None:
    loaded: list[weakref.ref] = []
    alive: list[bool] = []
    original = finding.load_model

    def load(*given: object) -> Model:
        found = original(*given)  # type: ignore[arg-type]
        loaded.append(weakref.ref(found.network))
        return found

    def look(_: Loop) -> None:
        alive.append(any(each() is not None for each in loaded))

    with patch.object(finding, "load_model", load), before_each_step(look):
        train(taught_model(), unequal_sets(), settings("mlp_regression"))
        train(taught_model(), unequal_sets(), settings("npo", retrained=retrained_folder()))
    assert len(loaded) == 1  # for both sets; not for a loss that does not read it
    assert alive == [False] * 4


def test_it_is_loaded_in_the_type_of_the_model() -> None:
    model = taught_model()
    model.network.to(torch.bfloat16)
    assert finding.retrained_for(model, retrained_folder()).network.dtype == torch.bfloat16
    trained = train(model, unequal_sets(), settings("mlp_regression", precision="bfloat16"))
    assert trained.points[-1].loss is not None and trained.points[-1].loss > 0


def test_mlps_are_watched_only_where_they_are_asked_for() -> None:
    layers: list[int] = []
    original = scoring.watch_mlp_output

    def watch(model: Model, layer: int):
        layers.append(layer)
        return original(model, layer)

    with patch.object(scoring, "watch_mlp_output", watch):
        train(taught_model(), unequal_sets(), settings("npo", retrained=retrained_folder()))
        assert layers == []
        train(taught_model(), unequal_sets(), settings("mlp_regression", max_steps=1))
    assert layers == [0, 1] * 4  # two sets of each model


def test_checkpointing_changes_no_gradient() -> None:
    plain = gradient(unequal_sets(), "mlp_regression")
    with recorded() as seen:
        train(tiny_model(), unequal_sets(), settings("mlp_regression", max_steps=1, gradient_checkpointing=True))
    assert_close(plain, seen[0])


def test_in_python() -> None:
    model, gold = taught_model(), retrained_model()
    gold.name = "gold"
    for retrained, name in ((gold, "gold"), (retrained_folder(), retrained_folder())):
        change = ex.unlearn(
            model, unequal_sets(), "mlp_regression", retain_loss="mlp_regression", retrained=retrained, max_steps=1
        )
        assert change.record["train"]["retrained"] == name
    assert ex.unlearn(model, unequal_sets(), "npo", max_steps=1).record["train"]["retrained"] is None


@pytest.mark.parametrize("given", ["loaded", "named"])
def test_what_never_known_is_the_retrained_model_says_best(given: str) -> None:
    """Its level of the forget set's own answers, though there is a holdout set; then it is let go."""
    model, sets = taught_model(), unequal_sets()
    encoder, config = Encoder(model.tokenizer), settings("npo", stop="never-known")
    assert retrained_level(model, None, sets, encoder, config) is None
    gold = retrained_model() if given == "loaded" else retrained_folder()
    level = retrained_level(model, gold, sets, encoder, config)
    logs = mean_log_probs(retrained_model(), encoder.encode_all(sets.forget), budget=512)
    assert level is not None and level.source == "retrained model"
    torch.testing.assert_close(level.per_example, logs)
    assert level.level == pytest.approx(float(logs.exp().mean()))
    trained = train(model, sets, config, never=level)
    assert trained.never_known == level


def test_the_surface_hands_it_to_every_training() -> None:
    seen: list[Any] = []

    def listen(*given: Any, **rest: Any) -> Any:
        seen.append(rest["never"])
        return train(*given, **rest)

    with patch("expunge.api.train", listen):
        ex.unlearn(taught_model(), unequal_sets(), "npo", max_steps=1, retrained=retrained_model())
        ex.unlearn(taught_model(), unequal_sets(), "npo", max_steps=1)
    assert seen[0].source == "retrained model" and seen[1] is None
    with pytest.raises(ConfigError, match="'memit' is an editor, which has no use for `retrained`"):
        ex.unlearn(taught_model(), unequal_sets(), "memit", retrained=retrained_model())


def test_mistakes(tmp_path: Path) -> None:
    model = tiny_model()
    for changes in ({"method": "mlp_regression"}, {"method": "npo", "retain_loss": "mlp_regression"}):
        config = settings(**changes, retrained=None)
        for act in (lambda c=config: check_method(c), lambda c=config: train(model, unequal_sets(), c)):
            with pytest.raises(ConfigError, match=r"'mlp_regression' measures against .* `retrained`"):
                act()
    other = deepcopy(tiny_model(arch="gpt2"))
    other.layout = model.layout.__class__(**{**vars(model.layout), "depth": 3})
    with pytest.raises(ConfigError, match="'tiny' has depth 3, the model that unlearns 2"):
        train(model, unequal_sets(), settings("mlp_regression"), retrained=other)
    with pytest.raises(ModelError, match="no model at"):
        train(model, unequal_sets(), TrainConfig(method="mlp_regression", retrained=str(tmp_path / "no" / "model")))
    assert all(parameter.requires_grad for parameter in model.network.parameters())
