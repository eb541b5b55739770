"""Gradients of a set, against one backward pass over each example alone."""

import pytest
import torch

from expunge.data.convention import Encoder
from expunge.data.forest import plant
from expunge.models.gradients import gradients_of, mean_gradient, mean_square
from expunge.models.scoring import forward
from tiny import tiny_model, tiny_sets

NAMES = ("model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight", "model.norm.weight")


def _one_by_one() -> tuple[list[dict[str, torch.Tensor]], list[int]]:
    """Each example's gradient of its summed NLL, computed alone, and its answer tokens."""
    model = tiny_model()
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget)
    named = dict(model.network.named_parameters())
    found, lengths = [], []
    for each in encoded:
        loss = -forward(model, plant([[each]])).log_probs.sum()
        found.append(dict(zip(NAMES, torch.autograd.grad(loss, [named[name] for name in NAMES]))))
        lengths.append(len(each.ids) - each.start)
    return found, lengths


@pytest.mark.parametrize("budget", [1, 16, 4096])
def test_the_mean_gradient_whatever_the_batches(budget: int) -> None:
    alone, lengths = _one_by_one()
    model = tiny_model()
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget)
    done: list[int] = []
    found = mean_gradient(model, NAMES, encoded, budget=budget, tick=done.append)
    assert sum(done) == len(encoded)
    for name in NAMES:
        torch.testing.assert_close(found[name], sum(g[name] for g in alone) / sum(lengths), rtol=1e-4, atol=1e-7)


def test_sums_of_a_bfloat16_model_are_float32() -> None:
    """So the size of a pass does not decide how much is lost."""
    model = tiny_model()
    model.network.bfloat16()
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget * 40)
    one, all_at_once = (mean_gradient(model, NAMES[:1], encoded, budget=budget)[NAMES[0]] for budget in (1, 4096))
    assert one.dtype == torch.float32
    assert float((one - all_at_once).norm() / all_at_once.norm()) < 2e-2


def test_the_mean_square_is_of_single_examples() -> None:
    """Not the square of a batch's gradient, in which examples cancel."""
    alone, lengths = _one_by_one()
    model = tiny_model()
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget)
    found = mean_square(model, NAMES, encoded)
    for name in NAMES:
        direct = sum((g[name] / n).square() for g, n in zip(alone, lengths)) / len(alone)
        torch.testing.assert_close(found[name], direct, rtol=1e-4, atol=1e-9)


def test_the_model_is_left_as_it_was() -> None:
    model = tiny_model()
    named = dict(model.network.named_parameters())
    named[NAMES[0]].requires_grad_(False)
    named[NAMES[2]].grad = torch.ones_like(named[NAMES[2]])
    with gradients_of(model, NAMES) as parameters:
        assert [name for name, p in named.items() if p.requires_grad] == [*NAMES]
        assert all(p.grad is None for p in parameters.values())
        sum(p.sum() for p in parameters.values()).backward()
    assert not named[NAMES[0]].requires_grad
    assert named[NAMES[1]].requires_grad
    assert bool((named[NAMES[2]].grad == 1).all())
    assert named[NAMES[1]].grad is None


def test_it_works_where_gradients_are_switched_off() -> None:
    model = tiny_model()
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget)
    with torch.inference_mode():
        assert mean_gradient(model, NAMES[:1], encoded, budget=64)[NAMES[0]].abs().sum() > 0
