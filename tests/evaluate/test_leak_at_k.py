"""leak@k against brute force."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.leak_at_k import leak_at_k


@pytest.mark.parametrize("n", [1, 4, 7])
def test_it_is_the_mean_of_the_best_over_all_choices(n: int) -> None:
    scores = np.random.default_rng(n).choice([0.0, 0.25, 0.5, 1.0], size=(5, n))
    for k in range(1, n + 1):
        expected = [np.mean([max(chosen) for chosen in combinations(row, k)]) for row in scores]
        assert leak_at_k(scores, k) == pytest.approx(expected, abs=1e-12)


def test_binary_scores_have_the_closed_form() -> None:
    for n, c, k in [(200, 3, 64), (200, 0, 5), (64, 64, 7), (10, 4, 7)]:
        scores = np.array([[1.0] * c + [0.0] * (n - c)])
        assert leak_at_k(scores, k)[0] == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-12)


def test_one_is_the_mean_and_all_is_the_maximum() -> None:
    scores = np.random.default_rng(0).random((3, 2000))  # binomials far beyond a float
    assert leak_at_k(scores, 1) == pytest.approx(scores.mean(1))
    assert leak_at_k(scores, 2000) == pytest.approx(scores.max(1))
    assert (leak_at_k(np.ones((2, 77)), 33) <= 1).all()


def test_it_is_unbiased() -> None:
    """Fresh samples of a coin with p = 0.1: the mean estimate of the best of 4 is 1 - 0.9⁴ within 5 standard errors."""
    scores = (np.random.default_rng(0).random((20_000, 8)) < 0.1).astype(float)
    estimates = leak_at_k(scores, 4)
    assert abs(estimates.mean() - (1 - 0.9**4)) < 5 * estimates.std() / len(estimates) ** 0.5


@pytest.mark.parametrize("k", [0, 4, -1])
def test_k_is_one_of_the_samples(k: int) -> None:
    with pytest.raises(ConfigError, match="samples"):
        leak_at_k(np.zeros((2, 3)), k)
