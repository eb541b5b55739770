"""Mean and standard deviation of log-probabilities over the vocabulary, at every answer token."""

import pytest
import torch

from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.models.scoring import _moments, forward, score
from tiny import tiny_model

A = Encoded((5, 6, 7, 8, 9), 3, "a")
B = Encoded((5, 6, 7, 9), 3, "b")
LONG = Encoded(tuple(range(2, 36)), 2, "long")


def test_they_are_those_of_the_definition() -> None:
    model = tiny_model()
    forest = plant([[A, B], [LONG]])
    logits = forward(model, forest, logits=True).logits
    assert logits is not None
    logs = logits.double().log_softmax(-1)
    mean = (logs.exp() * logs).sum(-1)
    spread = ((logs.exp() * logs**2).sum(-1) - mean**2).sqrt()
    got = forward(model, forest, moments=True).moments
    torch.testing.assert_close(got, torch.stack([mean, spread], -1).float(), rtol=1e-5, atol=1e-6)


def test_they_come_with_the_scores_only_when_asked_for_and_change_none() -> None:
    model = tiny_model()
    groups = [[A, B], [LONG]]
    plain, asked = score(model, groups), score(model, groups, moments=True)
    for one, other in zip(plain, asked):
        for x, y in zip(one, other):
            assert x.moments is None and y.moments is not None and y.moments.shape == (len(y.log_probs), 2)
            assert torch.equal(x.log_probs, y.log_probs)
    alone = score(model, [[B]], moments=True)[0][0].moments
    torch.testing.assert_close(asked[0][1].moments, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_uniform_and_a_certain_predictor(dtype: torch.dtype) -> None:
    table = torch.zeros(40, 49_152, dtype=dtype)
    table[20:, 7] = 1000.0
    table[39, 8] = -torch.inf
    moments = _moments(table)
    assert moments[:20, 0].tolist() == pytest.approx([-10.8027] * 20, abs=1e-4)
    assert moments[:20, 1].max() < 1e-5
    assert moments[20:].abs().max() == 0
