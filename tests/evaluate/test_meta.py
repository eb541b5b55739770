"""Meta-evaluation: faithfulness by counting pairs, stability in both forms and with both signs."""

from itertools import product

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.meta import (
    faithfulness,
    overall,
    quantization,
    quantization_symmetric,
    relearning,
    relearning_symmetric,
    robustness,
)  # fmt: skip


def test_faithfulness_counts_pairs() -> None:
    drawn = np.random.default_rng(0)
    for _ in range(20):
        knowing, ignorant = (drawn.choice([0.1, 0.2, 0.3, 0.4], size=drawn.integers(1, 12)).tolist() for _ in range(2))
        pairs = [(a > b) + (a == b) / 2 for a, b in product(knowing, ignorant)]
        assert faithfulness(knowing, ignorant) == pytest.approx(np.mean(pairs))
    assert faithfulness([0.5] * 3, [0.5] * 4) == 0.5
    with pytest.raises(ConfigError, match="got 0 and 1"):
        faithfulness([], [0.5])


def test_one_sided_quantization_counts_what_comes_back() -> None:
    """Of a metric that rises with knowledge a rise is the failure; the turned ratio counts a fall instead."""
    assert quantization(0.2, 0.8) == pytest.approx(0.25)
    assert quantization(0.8, 0.2) == 1.0
    assert quantization(0.2, 0.8, rising=False) == 1.0
    assert quantization(0.8, 0.2, rising=False) == pytest.approx(0.25)
    assert quantization(0.0, 0.3) == 0.0
    assert quantization(0.0, 0.0) == 1.0


def test_symmetric_quantization_counts_either() -> None:
    assert quantization_symmetric(0.2, 0.8) == pytest.approx(0.4) == quantization_symmetric(0.8, 0.2)
    assert quantization_symmetric(0.0, 0.0) == quantization_symmetric(0.3, 0.3) == 1.0
    assert quantization_symmetric(-0.5, 0.5) == 0.0


def test_relearning_is_against_the_retrained_model() -> None:
    retrained, unlearned = (0.1, 0.3), (0.2, 0.6)
    assert relearning(retrained, unlearned) == pytest.approx(0.5)
    assert relearning(unlearned, retrained) == 1.0
    assert relearning((0.1, 0.0), unlearned) == 0.0  # a retrained model that gains nothing
    assert relearning(retrained, (0.5, 0.4)) == 1.0  # an unlearned one that gains nothing
    falling = (0.9, 0.7), (0.9, 0.5)  # a metric that falls with knowledge
    assert relearning(*falling, rising=False) == pytest.approx(0.5)
    assert relearning(*falling) == 1.0


def test_symmetric_relearning() -> None:
    assert relearning_symmetric((0.1, 0.3), (0.2, 0.6)) == pytest.approx(1 - 0.2 / 0.6)
    assert relearning_symmetric((0.2, 0.6), (0.1, 0.3)) == pytest.approx(1 - 0.2 / 0.6)
    assert relearning_symmetric((0.0, 0.2), (0.2, 0.0)) == pytest.approx(0.0)
    assert relearning_symmetric((0.0, 0.0), (0.4, 0.4)) == 1.0


@pytest.mark.parametrize(
    ("faith", "q", "r", "rob", "whole"),
    [(0.92, 0.95, 0.68, 0.79, 0.85), (0.90, 0.92, 0.59, 0.72, 0.80), (0.95, 0.92, 0.43, 0.59, 0.73),
     (0.71, 0.60, 0.98, 0.75, 0.72), (0.82, 0.60, 0.70, 0.65, 0.72), (0.93, 0.48, 0.57, 0.52, 0.66)],
)  # fmt: skip
def test_rows_of_the_paper(faith: float, q: float, r: float, rob: float, whole: float) -> None:
    """ES, EM, truth ratio, paraphrase probability, probability, Min-K, as printed."""
    assert robustness(r, q) == pytest.approx(rob, abs=0.011)
    assert overall(faith, robustness(r, q)) == pytest.approx(whole, abs=0.011)
