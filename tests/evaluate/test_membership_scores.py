"""The scores for membership inference: worked by hand, and at the ends of the scale."""

import zlib

import numpy as np
import pytest

from expunge.evaluate import metrics
from expunge.evaluate.gradient_norm import gradient_norm
from expunge.evaluate.loss import loss
from expunge.evaluate.lowest import lowest_mean
from expunge.evaluate.min_k import min_k
from expunge.evaluate.min_k_plus_plus import min_k_plus_plus
from expunge.evaluate.zlib import zlib as zlib_score

LOGS = [np.array([-1.0, -3.0]), np.array([-0.5, -0.1, -4.0, -2.0, -1.0])]


def test_loss_is_the_mean_over_tokens_then_over_examples() -> None:
    found = loss(LOGS)
    assert found.per_example == pytest.approx((2.0, 1.52))
    assert found.value == pytest.approx(1.76)
    assert found.better == "lower"


def test_zlib_divides_by_the_compressed_bytes() -> None:
    texts = ["ab", "na" * 50]
    lengths = [len(zlib.compress(text.encode())) for text in texts]
    assert zlib_score(LOGS, texts).per_example == pytest.approx((2.0 / lengths[0], 1.52 / lengths[1]))
    assert zlib_score(LOGS[:1], ["\ud800"]).value > 0  # half a character, which JSON allows
    with pytest.raises(ValueError, match="argument"):
        zlib_score(LOGS, ["ab"])


@pytest.mark.parametrize(("k", "expected"), [(0.4, (3.0, 3.0)), (0.2, (3.0, 4.0)), (1.0, (2.0, 1.52)), (0.01, (3, 4))])
def test_min_k_is_the_mean_of_the_lowest_share(k: float, expected: tuple[float, float]) -> None:
    """k · 5 tokens: two at 0.4, one at 0.2; never none."""
    assert min_k(LOGS, k=k).per_example == pytest.approx(expected)


def test_lowest_mean_does_not_depend_on_the_order() -> None:
    values = np.random.default_rng(0).normal(size=31)
    assert lowest_mean(values, 0.3) == lowest_mean(values[::-1], 0.3) == pytest.approx(np.sort(values)[:9].mean())


def test_min_k_plus_plus_standardizes_first() -> None:
    means, stds = [np.array([-2.0, -2.0])], [np.array([0.5, 2.0])]
    # z is 2 and -0.5: the lowest is the second token
    assert min_k_plus_plus(LOGS[:1], means, stds).value == pytest.approx(0.5)
    assert min_k_plus_plus(LOGS[:1], means, stds, k=1.0).value == pytest.approx(-0.75)


def test_a_uniform_predictor_scores_zero_in_float32() -> None:
    """σ = 0 and log π = μ, but for rounding."""
    vocabulary = 49_152
    logs = np.full(6, -np.log(vocabulary))
    noise = np.array([1e-6, -1e-6, 2e-6, 0, 3e-6, -4e-6])
    assert min_k_plus_plus([logs + noise], [logs], [np.abs(noise)]).value == 0.0


def test_a_certain_predictor_that_is_wrong_is_not_mistaken_for_a_uniform_one() -> None:
    zero = np.zeros(2)
    assert min_k_plus_plus([np.array([-50.0, 0.0])], [zero], [zero]).value == pytest.approx(50_000)


def test_a_perfect_memorizer() -> None:
    """Probability 1 everywhere: no loss, no surprise."""
    logs = [np.zeros(5)]
    assert loss(logs).value == min_k(logs).value == zlib_score(logs, ["x"]).value == 0.0
    assert min_k_plus_plus(logs, logs, logs).value == 0.0


def test_gradient_norm_is_the_mean_over_examples() -> None:
    assert gradient_norm([1.0, 3.0]).per_example == (1.0, 3.0)


def test_which_metrics_are_membership_scores_and_what_they_span() -> None:
    scores = {name: metrics.get(name).span for name in metrics if metrics.get(name).membership}
    assert scores == {
        "loss": "all", "zlib": "all", "min_k": "without_end", "min_k_plus_plus": "without_end",
        "gradient_norm": "all",
    }  # fmt: skip
