"""leak@k against all subsets, at its ends, and where binomials would overflow."""

from fractions import Fraction
from itertools import combinations
from math import comb
from statistics import fmean

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.leak_at_k import leak_at_k, leak_at_k_binary


def test_against_all_subsets() -> None:
    drawn = np.random.default_rng(0)
    for n in range(1, 10):
        scores = drawn.choice([0.0, 0.25, 0.3, 1.0], size=n).tolist()  # with ties
        for k in range(1, n + 1):
            every = fmean(max(subset) for subset in combinations(scores, k))
            assert leak_at_k(scores, k) == pytest.approx(every, abs=1e-14)
            assert leak_at_k(scores[::-1], k) == leak_at_k(scores, k)


def test_binary_against_all_subsets_and_the_graded_form() -> None:
    for n in range(1, 10):
        for leaking in range(n + 1):
            scores = [1.0] * leaking + [0.0] * (n - leaking)
            for k in range(1, n + 1):
                every = fmean(max(subset) for subset in combinations(scores, k))
                assert leak_at_k_binary(leaking, n, k) == pytest.approx(every, abs=1e-14)
                assert leak_at_k(scores, k) == pytest.approx(every, abs=1e-14)


def test_one_is_the_mean_and_all_is_the_largest() -> None:
    scores = np.random.default_rng(1).random(200).tolist()
    assert leak_at_k(scores, 1) == pytest.approx(fmean(scores), abs=1e-14)
    assert leak_at_k(scores, 200) == max(scores)
    assert leak_at_k_binary(30, 200, 1) == pytest.approx(0.15)


def test_it_grows_with_k() -> None:
    scores = np.random.default_rng(2).random(50).tolist()
    values = [leak_at_k(scores, k) for k in range(1, 51)]
    assert values == sorted(values)


@pytest.mark.parametrize(("n", "c", "k"), [(200, 7, 128), (5000, 3, 2000), (5000, 4999, 1)])
def test_exact_where_binomials_are_large(n: int, c: int, k: int) -> None:
    exact = float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert leak_at_k_binary(c, n, k) == pytest.approx(exact, rel=1e-12)
    assert leak_at_k([1.0] * c + [0.0] * (n - c), k) == pytest.approx(exact, rel=1e-12)


def test_unbiased_on_simulated_samples() -> None:
    """The mean of leak@3 from 12 answers is the chance that one of 3 fresh ones leaks."""
    drawn = np.random.default_rng(3).random((4000, 12)) < 0.2
    assert fmean(leak_at_k_binary(int(row.sum()), 12, 3) for row in drawn) == pytest.approx(1 - 0.8**3, abs=0.01)


@pytest.mark.parametrize("k", [0, 4])
def test_k_lies_between_one_and_n(k: int) -> None:
    with pytest.raises(ConfigError, match="between 1 and the 3 answers"):
        leak_at_k([0.0, 0.5, 1.0], k)
    with pytest.raises(ConfigError, match="between 1 and the 3 answers"):
        leak_at_k_binary(1, 3, k)


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="4 of 3"):
        leak_at_k_binary(4, 3, 1)
    with pytest.raises(ConfigError, match="not a number"):
        leak_at_k([0.1, float("nan")], 1)
