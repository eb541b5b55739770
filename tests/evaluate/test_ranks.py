"""Ranks that go together."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from expunge.evaluate.ranks import rank_correlation


def test_ranks_by_hand() -> None:
    """d = (0, 0, 1, -1): 1 - 6·2/(4·15) = 0.8. Ties share a rank."""
    assert rank_correlation([1, 2, 3, 4], [10, 20, 40, 30], "abcd")[0] == pytest.approx(0.8)
    assert rank_correlation([1, 2, 3], [3, 2, 1], "abc")[0] == -1
    x, y = [1, 1, 2, 5, 3, 3], [2, 1, 1, 4, 9, 3]
    assert rank_correlation(x, y, range(6), draws=10)[0] == pytest.approx(spearmanr(x, y).statistic)
    values, counts = np.random.default_rng(0).random(80).round(1).tolist(), [1.0, 3.0, 9.0, 27.0] * 20
    expected: float = spearmanr(values, counts).statistic  # type: ignore[attr-defined]
    assert rank_correlation(values, counts, draws=10)[0] == pytest.approx(expected)
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3], "abc")[0])
    assert rank_correlation([1, 1, 1], [1, 2, 3], "abc")[1] is None


def test_the_interval_draws_whole_groups() -> None:
    """Copies of an example within its group add nothing to what is known; as groups of their own they would."""
    random = np.random.default_rng(0)
    x = random.normal(size=30)
    y = x + random.normal(size=30)
    rho, interval = rank_correlation(x.tolist(), y.tolist())
    assert interval is not None
    assert interval[0] < rho < interval[1]
    many, other, groups = (np.repeat(each, 8).tolist() for each in (x, y, np.arange(30)))
    _, grouped = rank_correlation(many, other, groups)
    _, single = rank_correlation(many, other, range(240))
    assert grouped is not None and single is not None
    width = lambda bounds: bounds[1] - bounds[0]
    assert width(grouped) == pytest.approx(width(interval), rel=0.1)
    assert width(single) < 0.6 * width(interval)
    assert rank_correlation(x.tolist(), y.tolist(), [f"{i:02}" for i in range(30)]) == (rho, interval)
    assert rank_correlation(x[:4].tolist(), y[:4].tolist(), range(4))[1] is None
