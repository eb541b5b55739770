"""A mask is exact: what it does not name keeps its bits, whatever else the run does."""

import pytest
import torch
from torch import Tensor, nn

from expunge.config import TrainConfig
from expunge.errors import ChangeError, ConfigError
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.train.optimizer import Optimizer
from expunge.train.unlearn import train
from steps import assert_same_bits, bits, gradient, settings, unequal_sets
from tiny import tiny_model, tiny_sets

DOWN, QUERY, NORM = (
    "model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight", "model.norm.weight",
)  # fmt: skip
HARD = {"weight_decay": 0.3, "clip": 0.1, "max_steps": 4, "learning_rate": 1e-2, "batch_size": 2}


def partial_mask(model: Model) -> Mask:
    """Value vectors, single weights and a whole tensor."""
    single = torch.zeros(32, 32, dtype=torch.bool)
    single[3, 5:9] = single[20, 1] = True
    return Mask.of(model.network, {DOWN: (1, [0, 3, 40]), QUERY: single, NORM: None})


@pytest.mark.parametrize(
    ("wrap", "dtype"),
    [
        ((), torch.float32),
        (("sam", "gru", "lat"), torch.float32),
        ((), torch.bfloat16),
        (("gru", "lat"), torch.bfloat16),  # SAM's steps are lost in it
    ],
    ids=str,
)
def test_bits_outside_a_mask_stay_at_every_step(wrap: tuple[str, ...], dtype: torch.dtype) -> None:
    """Weight decay, clipping, moments and wrappers on; a negative zero outside counts as a bit pattern too."""
    model = tiny_model()
    model.network.to(dtype)
    with torch.no_grad():
        model.network.get_parameter(DOWN)[:, 1] = -0.0
        model.network.get_parameter(QUERY)[0] = -0.0
    start, mask = bits(model), partial_mask(model)
    moved: set[str] = set()

    def watch_bits(*_: object) -> None:
        for name, now in bits(model).items():
            inside = mask.inside(name)
            assert_same_bits({name: now[~inside]}, {name: start[name][~inside]})
            moved.update([name] if not torch.equal(now[inside], start[name][inside]) else [])

    trained = train(model, tiny_sets(), settings("npo", wrap=wrap, **HARD), mask=mask, tick=watch_bits)
    assert moved == {DOWN, QUERY, NORM} == set(trained.change.names)
    assert_same_bits(start, bits(model))


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_an_adapter_leaves_the_base_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    start = bits(model)
    base = dict(model.network.named_parameters())

    def watch_bits(*_: object) -> None:
        assert_same_bits(start, {name: parameter.detach() for name, parameter in base.items()})

    trained = train(model, tiny_sets(), settings("npo", lora=2, **HARD), tick=watch_bits)
    assert trained.change.kind == "low-rank" and trained.change.norm() > 0
    assert_same_bits(start, bits(model))
    assert [*dict(model.network.named_modules())] == [*dict(tiny_model(arch=arch).network.named_modules())]


@pytest.mark.parametrize("method", ["npo", "rmu"])
def test_an_adapter_keeps_to_the_parameters_that_were_chosen(method: str) -> None:
    """Those that the user names, else those that the method trains (RMU: down projections)."""
    chosen = () if method == "rmu" else ("model.layers.1.*", NORM)
    trained = train(tiny_model(), tiny_sets(), settings(method, lora=2, parameters=chosen))
    expected = (
        [DOWN] if method == "rmu" else [n for n in trained.change.base.stamps if ".layers.1." in n and "proj" in n]
    )
    assert list(trained.change.names) == expected


def test_adapters_and_masks_that_do_not_fit() -> None:
    model = tiny_model()
    start = bits(model)
    with pytest.raises(ConfigError, match="nothing to train"):
        train(model, tiny_sets(), settings("npo", lora=2, parameters=(NORM,)))
    with pytest.raises(ConfigError, match=r"single weights of .*q_proj"):
        train(model, tiny_sets(), settings("npo", lora=2), mask=partial_mask(model))
    with pytest.raises(ConfigError, match="no parameter matches"):
        train(model, tiny_sets(), settings("npo", parameters=("nothing.*",)))
    other = tiny_model(arch="gpt2")
    with pytest.raises((ChangeError, ConfigError)):
        train(model, tiny_sets(), settings("npo"), mask=Mask.everything(other.network))
    assert_same_bits(start, bits(model))
    assert all(parameter.requires_grad for parameter in model.network.parameters())


def optimizer(mask: Mask | None, parameter: Tensor, **changes: object) -> Optimizer:
    config = TrainConfig(**{"learning_rate": 0.1, "clip": 1.0, **changes})  # type: ignore[arg-type]
    return Optimizer({"w": nn.Parameter(parameter)}, mask, config, steps=10)


def test_clipping_looks_inside_the_mask_only() -> None:
    """Gradient (3, 4, 1000) with the last weight outside: norm 5, clipped to (0.6, 0.8), first moment a tenth of it."""
    mask = Mask({"w": (3,)}, {"w": torch.tensor([True, True, False])})
    tried = optimizer(mask, torch.ones(3))
    assert tried.step({"w": torch.tensor([3.0, 4.0, 1000.0])}, 0) == pytest.approx(5.0)
    torch.testing.assert_close(tried.state()["exp_avg.w"], torch.tensor([0.06, 0.08, 0.0]), rtol=1e-5, atol=0)
    torch.testing.assert_close(tried.parameters["w"].detach(), torch.tensor([0.9, 0.9, 1.0]))


def test_a_norm_below_the_limit_is_not_clipped_and_none_is_no_limit() -> None:
    for clip, expected in ((10.0, 0.4), (None, 0.4), (2.0, 0.2)):
        tried = optimizer(None, torch.ones(1), clip=clip)
        assert tried.step({"w": torch.tensor([4.0])}, 0) == pytest.approx(4.0)
        assert tried.state()["exp_avg.w"].item() == pytest.approx(expected, rel=1e-4)


def test_weight_decay_is_decoupled_and_inside_the_mask_only() -> None:
    """θ (1 - η λ) - η · sign: 2 · 0.95 - 0.1 = 1.8."""
    mask = Mask({"w": (2,)}, {"w": torch.tensor([True, False])})
    tried = optimizer(mask, torch.tensor([2.0, 2.0]), weight_decay=0.5)
    tried.step({"w": torch.tensor([1.0, 1.0])}, 0)
    torch.testing.assert_close(tried.parameters["w"].detach(), torch.tensor([1.8, 2.0]), rtol=1e-6, atol=0)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    tried = optimizer(None, torch.ones(2), weight_decay=0.5)
    for bad in (float("nan"), float("inf")):
        assert not torch.tensor(tried.step({"w": torch.tensor([1.0, bad])}, 0)).isfinite()
    assert torch.equal(tried.parameters["w"].detach(), torch.ones(2))


def test_learning_rate_over_the_steps() -> None:
    rates = lambda **changes: [round(optimizer(None, torch.ones(1), **changes).rate(i) / 0.1, 4) for i in range(10)]
    assert rates(warmup=0.4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates() == [1.0] * 10
    assert rates(decay="linear")[::3] == [1.0, 0.7, 0.4, 0.1]
    assert rates(decay="cosine")[5] == 0.5 and rates(decay="cosine", warmup=0.2)[6] == 0.5


def test_wrappers_see_gradients_inside_the_mask_only() -> None:
    """GRU's projection with a mask is the projection of the masked gradients, not the masked projection."""
    model, sets = tiny_model(), unequal_sets()
    mask = partial_mask(model)
    whole = {"retain_weight": 3.0, "clip": None}
    forget = masked(gradient(sets, "npo", **{**whole, "retain_weight": 0.0}), mask)
    retain = {n: g - forget[n] for n, g in masked(gradient(sets, "npo", **whole), mask).items()}
    from unittest.mock import patch

    from expunge.train import unlearn
    from steps import recorded

    with recorded() as seen, patch.object(unlearn, "_mask", lambda *_: mask):
        train(model, sets, settings("npo", wrap=("gru",), **whole))
    dot = sum((forget[n] * retain[n]).sum() for n in retain)
    square = sum(retain[n].square().sum() for n in retain)
    share = torch.clamp(dot / square, max=0)  # type: ignore[arg-type]
    for name, got in seen[0].items():
        torch.testing.assert_close(got, forget[name] - share * retain[name] + retain[name], rtol=1e-4, atol=1e-5)


def masked(gradients: dict[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    return {name: gradients[name] * mask.inside(name) for name in mask}
