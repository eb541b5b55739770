"""Gradient norms by the plain definition, and that nothing of the model has changed afterwards."""

import pytest
import torch

from expunge.data.convention import Encoded
from expunge.models.gradient_norms import gradient_norms
from expunge.models.model import Model
from expunge.parameters import parameters_of
from tiny import ARCHITECTURES, tiny_model

EXAMPLES = [
    Encoded((5, 6, 7, 8, 9, 1), 3, "a", tail=1),
    Encoded((5, 6, 7, 9), 3, "b"),
    Encoded((11, 12, 3, 4, 5, 6, 1, 2, 1), 2, "c", tail=3),
]


def plainly(model: Model, encoded: Encoded) -> float:
    ids = torch.tensor([encoded.ids])
    rows = model.network(input_ids=ids, use_cache=False).logits[0, encoded.start - 1 : -1].log_softmax(-1)
    logs = rows.gather(1, ids[0, encoded.start :, None])[: len(ids[0]) - encoded.start - encoded.tail]
    parameters = list(model.network.parameters())  # a tied one stands here once
    gradients = torch.autograd.grad(-logs.mean(), parameters, allow_unused=True)
    return float(torch.stack([each.norm() for each in gradients if each is not None]).mean())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_the_mean_norm_over_the_parameters(arch: str) -> None:
    model, plain = tiny_model(arch=arch), tiny_model(arch=arch, attention="eager")
    expected = [plainly(plain, each) for each in EXAMPLES]
    assert gradient_norms(model, EXAMPLES) == pytest.approx(expected, rel=1e-4)


def test_weights_gradients_and_what_may_train_stay_as_they_were() -> None:
    model = tiny_model()
    weights = {name: each.clone() for name, each in parameters_of(model.network).items()}
    first, *others = model.network.parameters()
    first.grad = torch.full_like(first, 0.5)
    others[0].requires_grad_(False)
    with torch.inference_mode():
        one = gradient_norms(model, EXAMPLES[:1])
    assert one == gradient_norms(model, EXAMPLES)[:1]
    assert all(torch.equal(each, weights[name]) for name, each in parameters_of(model.network).items())
    assert torch.equal(first.grad, torch.full_like(first, 0.5))
    assert all(each.grad is None for each in others)
    assert [each.requires_grad for each in (first, *others)] == [True, False, *[True] * (len(others) - 1)]


def test_nothing_is_left_behind_by_a_failure() -> None:
    model = tiny_model()
    with pytest.raises(IndexError):
        gradient_norms(model, [Encoded((5, 10**6), 1, "no such token")])
    assert all(each.grad is None and not each._post_accumulate_grad_hooks for each in model.network.parameters())
