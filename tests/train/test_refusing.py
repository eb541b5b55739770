"""What does not fit together is refused before anything is trained."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.models.generating import generate
from expunge.train.selection import Point, Rule
from expunge.train.unlearn import train
from steps import after, assert_same_bits, settings
from tiny import tiny_model, tiny_sets


@pytest.mark.parametrize("method", ["dpo", "idk"])
def test_refusals_are_no_answer_to_a_document(method: str) -> None:
    sets = replace(tiny_sets(), forget=(Example(id="d", prompt=None, answer="the capital of arland is bexton"),))
    with pytest.raises(ConfigError, match="document"):
        train(tiny_model(), sets, settings(method))


@pytest.mark.parametrize(
    ("dtype", "changes", "says"),
    [
        (torch.float16, {}, "float16 are not trained"),
        (torch.float16, {"lora": 2}, "float16 are not trained"),
        (torch.bfloat16, {"wrap": ("sam",)}, "'sam' moves the weights by less than bfloat16 can hold"),
    ],
)
def test_types_in_which_gradients_or_small_steps_are_lost(
    dtype: torch.dtype, changes: dict[str, Any], says: str
) -> None:
    model = tiny_model()
    torch.nn.Module.to(model.network, dtype)
    with pytest.raises(ConfigError, match=says):
        train(model, tiny_sets(), settings("npo", **changes))


def test_sam_moves_adapters_whatever_the_model_is_held_in() -> None:
    model = tiny_model()
    torch.nn.Module.to(model.network, torch.bfloat16)
    one, other, again = (
        train(model, tiny_sets(), settings("npo", lora=2, learning_rate=0.1, max_steps=4, wrap=wrap))
        for wrap in (("sam",), (), ())
    )
    assert_same_bits(after(other, model), after(again, model))
    assert any(not torch.equal(after(one, model)[name], weight) for name, weight in after(other, model).items())


@pytest.mark.parametrize("lacks", [{"retain_loss": None}, {}], ids=["loss", "set"])
def test_what_weighs_against_the_retain_gradient_needs_one(lacks: dict[str, Any]) -> None:
    sets = tiny_sets() if lacks else replace(tiny_sets(), retain=())
    with pytest.raises(ConfigError, match="`retain_loss` is none" if lacks else "there is no retain set"):
        train(tiny_model(), sets, settings("npo", wrap=("gru",), **lacks))


def test_an_early_stop_needs_a_level_to_stop_at() -> None:
    with pytest.raises(ConfigError, match="twins"):
        train(tiny_model(), replace(tiny_sets(), holdout=()), settings("npo", early_stop=True))


def test_more_tokens_than_positions_are_refused() -> None:
    model = tiny_model(arch="gpt2")
    with pytest.raises(ConfigError, match="positions"):
        generate(model, [[3, 4]], encoder=Encoder(model.tokenizer), max_new_tokens=300)


def test_nothing_is_said_of_a_utility_that_was_not_measured() -> None:
    start, end = Point(0, 0.0, 0.9, None), Point(1, 1.0, 0.1, None)
    for level in (None, 0.1):
        assert "not measured" in Rule(0.95, level).why(end, start)
