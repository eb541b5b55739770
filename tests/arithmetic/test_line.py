"""The line through a change: its algebra on tiny models, its bits, and that a model on it comes back."""

from math import hypot

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from expunge.arithmetic.line import Line
from expunge.change import WeightChange
from expunge.data.convention import Encoder
from expunge.errors import ChangeError, ConfigError
from expunge.parameters import parameters_of
from expunge.train.levels import mean_log_probs
from expunge.train.unlearn import train as unlearned
from steps import settings, taught_model, unequal_sets
from tiny import tiny_model


def snapshot(model) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in parameters_of(model).items()}


def moved(
    model, scale: float = 0.01, seed: int = 1, leave: str = "norm"
) -> tuple[WeightChange, dict[str, torch.Tensor]]:
    """A change of all tensors but some, and θ_un."""
    generator = torch.Generator().manual_seed(seed)
    base = snapshot(model)
    result = {
        name: weight if leave in name else weight + scale * torch.randn(weight.shape, generator=generator)
        for name, weight in base.items()
    }
    return WeightChange.between(base, result), result


def norm(one, two) -> float:
    return hypot(*(float((one[name].double() - two[name].double()).norm()) for name in one))


def equal(one, two) -> bool:
    return all(torch.equal(one[name].view(torch.int32), two[name].view(torch.int32)) for name in one)


def test_alpha_zero_is_the_change_itself_bit_for_bit() -> None:
    model = tiny_model()
    change, result = moved(model)
    for direction in (None, lambda name, v: v / 3):
        line = Line(change, direction)
        assert line.change_at(0.0, model) is change
        with line.on(model) as move:
            move(0.0)
            assert equal(snapshot(model), result)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.0])
def test_the_distance_from_the_start_grows_with_alpha(alpha: float) -> None:
    """‖θ(α) - θ_ini‖ = (1 + α) ‖v‖."""
    model = tiny_model()
    base, (change, result) = snapshot(model), moved(model)
    with Line(change).on(model) as move:
        move(alpha)
        assert norm(snapshot(model), base) == pytest.approx((1 + alpha) * norm(result, base), rel=1e-6)
    assert equal(snapshot(model), base)


@given(alpha=st.floats(0, 4), seed=st.integers(0, 3))
def test_the_formula_element_by_element(alpha: float, seed: int) -> None:
    """θ_un + α (θ_un - θ_ini) in float32; what the change leaves alone keeps its bits, also -0.0 and NaN."""
    generator = torch.Generator().manual_seed(seed)
    base = {"w": torch.randn(5, generator=generator), "same": torch.tensor([-0.0, float("nan"), 1.0])}
    base["w"][0] = -0.0
    after = {"w": base["w"] + torch.randn(5, generator=generator), "same": base["same"]}
    after["w"][0] = -0.0
    found = Line(WeightChange.between(base, after), lambda name, v: v)
    whole = Line(WeightChange.between(base, after))
    expected = after["w"] + alpha * (after["w"] - base["w"])
    expected[0] = -0.0
    for line in (found, whole):
        there = line.at(alpha, "w", base["w"])
        assert torch.allclose(there, expected, rtol=1e-6, atol=0)
        assert there[0].view(torch.int32) == base["w"][0].view(torch.int32)
        assert "same" not in line.change.names


def test_what_is_saved_is_what_was_measured(tmp_path) -> None:
    """The model on the line, the sealed change and the one that was saved have the same bits."""
    model = tiny_model()
    change, _ = moved(model)
    for direction in (None, lambda name, v: v * (2.0 if "mlp" in name else 0.5)):
        line = Line(change, direction)
        with line.on(model) as move:
            move(0.7)
            seen = snapshot(model)
        sealed = line.change_at(0.7, model).sealed(model)
        sealed.save(tmp_path / "change.safetensors")
        for found in (sealed, WeightChange.load(tmp_path / "change.safetensors")):
            with found.applied_to(model):
                assert equal(snapshot(model), seen)


def test_a_lora_extrapolates_as_its_merged_change() -> None:
    """(1 + α) · s · B A, never A and B apart: that would be (1 + α)²."""
    model = tiny_model()
    base = snapshot(model)
    wrapped = get_peft_model(
        tiny_model().network, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"])
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    low = WeightChange.from_peft(wrapped)
    assert low.kind == "low-rank"
    with low.applied_to(model):
        dense = WeightChange.between(base, snapshot(model))
    for alpha in (0.5, 1.0):
        extrapolated = Line(low).change_at(alpha, model).sealed(model)
        assert extrapolated.kind == "low-rank"
        with extrapolated.applied_to(model):
            one = snapshot(model)
        with Line(dense).on(model) as move:
            move(alpha)
            two = snapshot(model)
        for name in base:
            torch.testing.assert_close(one[name], two[name], rtol=1e-5, atol=1e-6)
        assert norm(one, base) == pytest.approx((1 + alpha) * norm({**base, **_merged(low, base)}, base), rel=1e-5)


def _merged(change: WeightChange, base) -> dict[str, torch.Tensor]:
    return {name: change.after(name, base[name]) for name in change.names}


def test_a_model_that_was_left_in_an_error_comes_back() -> None:
    model = tiny_model()
    base, (change, _) = snapshot(model), moved(model)
    with pytest.raises(ZeroDivisionError), Line(change).on(model) as move:
        move(1.0 / (0 if move(0.5) is None else 1))
    assert equal(snapshot(model), base)


def test_below_zero_lies_the_way_back_along_the_change_whatever_the_direction() -> None:
    model = tiny_model()
    base = snapshot(model)
    change, _ = moved(model)
    for line in (Line(change), Line(change, lambda name, v: 7 * v), Line(change, stored={})):
        for alpha in (-1.0, -0.25):
            back = line.change_at(alpha, model)
            assert back.norm() == pytest.approx((1 + alpha) * change.norm(), rel=1e-5)
            with line.on(model) as move:
                move(alpha)
                measured = snapshot(model)
            with back.applied_to(model):
                assert equal(snapshot(model), measured)
            assert equal(measured, base) == (alpha == -1.0)


def test_another_model_and_an_alpha_beyond_the_start_are_mistakes() -> None:
    model = tiny_model()
    change, _ = moved(model)
    with pytest.raises(ChangeError), Line(change).on(tiny_model(seed=9)):
        pass
    with pytest.raises(ConfigError, match="give no less"):
        Line(change).change_at(-1.5, model)
    with pytest.raises(ChangeError):
        Line(change, lambda name, v: v).change_at(0.5, tiny_model(seed=9))


def test_on_a_model_that_knows_the_facts() -> None:
    """Forget NLL rises along α; further steps of equal length end elsewhere than the line does."""
    model, sets = taught_model(), unequal_sets()
    train = lambda steps: unlearned(model, sets, settings("gradient_ascent", max_steps=steps, retain_loss=None)).change
    change, further = train(2), train(4)
    encoded = Encoder(model.tokenizer).encode_all(sets.forget)
    levels = []
    with Line(change).on(model) as move:
        for alpha in (0.0, 0.5, 1.0, 2.0):
            move(alpha)
            levels.append(float(mean_log_probs(model, encoded, budget=512).mean()))
    assert levels == sorted(levels, reverse=True) and levels[0] - levels[-1] > 0.1
    base = snapshot(model)
    flat = [torch.cat([each.delta(name, base[name]).flatten() for name in base]) for each in (change, further)]
    cosine = torch.nn.functional.cosine_similarity(*flat, dim=0)
    assert 0 < cosine < 0.9999
