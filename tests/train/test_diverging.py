"""A run that goes astray says so, puts the model back, and hands over its last good state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from expunge.errors import DivergedError, NotANumberError
from expunge.objectives.binding import Bound
from expunge.train.loop import Loop
from expunge.train.unlearn import train
from steps import assert_same_bits, bits, settings, taught_model
from tiny import tiny_model, tiny_sets

SPOILED = {"npo": float("nan"), "nll": float("inf")}


@contextmanager
def spoiled(name: str, at: int, value: float) -> Iterator[None]:
    """The loss `name` is `value` from its `at`-th call on (one call a step here), counted from 1."""
    original, calls = Bound.__call__, 0

    def call(self: Bound, measured: dict[str, Tensor]) -> Tensor:
        nonlocal calls
        losses = original(self, measured)
        if self.objective.name == name:
            calls += 1
            return losses * value if calls >= at else losses
        return losses

    with patch.object(Bound, "__call__", call):
        yield


@pytest.mark.parametrize("lora", [None, 2], ids=["weights", "adapter"])
@pytest.mark.parametrize("name", list(SPOILED))
def test_nan_at_a_step_keeps_the_best_before_it(name: str, lora: int | None, tmp_path: Path) -> None:
    model, sets = taught_model(), tiny_sets()
    start = bits(model)
    config = settings("npo", max_steps=8, eval_every=2, lora=lora, utility_floor=0.0)
    with spoiled(name, 6, SPOILED[name]), pytest.raises(DivergedError) as caught:
        train(model, sets, config)
    assert_same_bits(start, bits(model))
    trained = caught.value.trained
    which = "forget" if name == "npo" else "retain"
    assert f"step 6: the {which} loss is {SPOILED[name]}" in str(caught.value)
    assert f"that of step {trained.kept.step}" in str(caught.value)
    assert [point.step for point in trained.points] == [0, 2, 4] and trained.steps == 5
    # the same run, ended by hand at the kept point, gives the same change
    expected = train(model, sets, config.model_copy(update={"max_steps": trained.kept.step}))
    assert dict(trained.change.results) == dict(expected.change.results)
    trained.change.save(tmp_path / "kept.safetensors")
    with trained.change.applied_to(model):
        assert not any(parameter.isnan().any() for parameter in model.network.parameters())


@pytest.mark.parametrize("what", ["scores", "level"])
def test_a_point_of_nan_is_never_kept(what: str) -> None:
    """It would be: nothing that comes later is better than NaN, or worse."""
    model, sets = taught_model(), tiny_sets()
    start = bits(model)
    config = settings("npo", max_steps=8, eval_every=2, utility_floor=0.0)

    def watch(step: int) -> dict[str, float | None]:
        if step == 6 and what == "scores":
            raise NotANumberError("where answers are scored")
        return {"forget": float("nan") if step == 6 else 1.0 - step / 10, "utility": 1.0}

    with pytest.raises(DivergedError, match=r"step 6: .*that of step 4") as caught:
        train(model, sets, config, watch=watch)
    assert_same_bits(start, bits(model))
    assert [point.step for point in caught.value.trained.points] == [0, 2, 4]
    assert caught.value.trained.kept.step == 4


def test_nan_at_the_first_step_leaves_an_empty_change(tmp_path: Path) -> None:
    model = tiny_model()
    with spoiled("npo", 1, float("nan")), pytest.raises(DivergedError, match="that of the start") as caught:
        train(model, tiny_sets(), settings("npo"))
    change = caught.value.trained.change
    change.save(tmp_path / "none.safetensors")
    assert change.names == () and caught.value.trained.kept.step == 0
    with change.applied_to(model):
        pass


def test_a_gradient_that_is_not_finite_is_found_although_the_losses_are() -> None:
    model = tiny_model()
    start = bits(model)
    original = Loop._collect

    def collect(self: Loop, *arguments: object, **options: object) -> dict[str, Tensor]:
        taken = original(self, *arguments, **options)  # type: ignore[arg-type]
        next(iter(taken.values())).view(-1)[0] = float("inf")
        return taken

    with patch.object(Loop, "_collect", collect), pytest.raises(DivergedError, match="gradient's norm is inf"):
        train(model, tiny_sets(), settings("npo"))
    assert_same_bits(start, bits(model))


def test_a_model_worse_than_guessing_counts_as_diverged() -> None:
    """Ascent at a rate that wrecks the model: three steps in a row above log V, which it was below at the start."""
    model = taught_model()
    config = settings("gradient_ascent", max_steps=40, learning_rate=0.05, retain_weight=0.0, eval_every=1)
    with pytest.raises(DivergedError, match="worse than guessing") as caught:
        train(model, tiny_sets(), config)
    assert caught.value.trained.steps < 40


def test_a_model_that_never_did_better_than_guessing_has_not_diverged() -> None:
    """A random model's retain loss is above log V from the start."""
    model, sets = tiny_model(arch="gpt_neox"), tiny_sets()
    trained = train(model, sets, settings("npo", max_steps=6, learning_rate=1e-5, eval_every=6))
    retain_loss = trained.points[-1].retain_loss
    assert retain_loss is not None and retain_loss > torch.tensor(float(model.layout.vocabulary)).log()
    assert trained.steps == 6


def test_a_run_that_diverges_before_anything_was_measured_hands_over_the_start() -> None:
    """The last good state is the start then, and not the wreck."""
    config = settings("gradient_ascent", learning_rate=1.0, batch_size=1, max_steps=40, eval_every=100, clip=None)
    with pytest.raises(DivergedError, match="the start") as caught:
        train(tiny_model(), tiny_sets(), config)
    assert caught.value.trained.kept.step == 0
    assert caught.value.trained.change.names == ()
