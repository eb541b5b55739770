"""A metric keeps its evidence, and its interval covers what it says."""

import numpy as np
import pytest

from expunge.data.example import Example
from expunge.errors import RunError
from expunge.evaluate.interval import Resampling
from expunge.evaluate.metric import exp_ratio_metric, mean_metric


def test_mean_keeps_order_n_and_direction() -> None:
    metric = mean_metric([0.0, 1.0, 0.5, 1.0], "higher")
    assert metric.value == 0.625
    assert metric.per_example == (0.0, 1.0, 0.5, 1.0)
    assert (metric.n, metric.better, metric.level) == (4, "higher", 0.95)
    assert metric.interval is not None
    assert metric.interval[0] < 0.625 < metric.interval[1]
    assert metric.to_json()["n"] == 4


def test_same_seed_same_interval_and_order_of_examples_does_not_matter() -> None:
    values = np.random.default_rng(1).random(40)
    shuffled = np.random.default_rng(2).permutation(40)
    groups = tuple(f"g{i % 7}" for i in range(40))
    plain = mean_metric(values.tolist(), "higher")
    assert mean_metric(values.tolist(), "higher") == plain
    assert mean_metric(values[shuffled].tolist(), "higher").interval == plain.interval
    assert mean_metric(values.tolist(), "higher", Resampling(seed=1)).interval != plain.interval
    grouped = mean_metric(values.tolist(), "higher", Resampling(groups))
    mixed = mean_metric(values[shuffled].tolist(), "higher", Resampling(tuple(groups[i] for i in shuffled)))
    assert mixed.interval == grouped.interval
    assert mixed.value == grouped.value


@pytest.mark.parametrize("skewed", [False, True])
def test_interval_covers_the_mean(skewed: bool) -> None:
    random, hits, runs = np.random.default_rng(0), 0, 200
    for run in range(runs):
        sample = random.exponential(size=30) if skewed else random.normal(1.0, size=30)
        low, high = mean_metric(sample.tolist(), "higher", Resampling(seed=run, draws=400), bounds=None).interval
        hits += low <= 1.0 <= high
    assert 0.88 <= hits / runs <= 0.99  # 95 % asked; BCa is somewhat short at n = 30


def test_groups_are_drawn_whole() -> None:
    """Ten copies of each of eight values are eight observations, not eighty."""
    values = np.random.default_rng(3).random(8)
    copies, groups = np.repeat(values, 10).tolist(), tuple(np.repeat(list("abcdefgh"), 10).tolist())
    alone = mean_metric(values.tolist(), "higher").interval
    grouped = mean_metric(copies, "higher", Resampling(groups))
    naive = mean_metric(copies, "higher").interval
    np.testing.assert_allclose(grouped.interval, alone, rtol=1e-2)
    assert naive[1] - naive[0] < 0.5 * (alone[1] - alone[0])
    assert "8 groups" in grouped.note


def test_groups_of_different_sizes_keep_the_mean_over_examples() -> None:
    metric = mean_metric([1.0, 1.0, 1.0, 0.0], "higher", Resampling(("a", "a", "a", "b")))
    assert metric.value == 0.75
    assert metric.interval[0] >= 0
    assert metric.interval[1] <= 1


def test_one_example_has_no_interval_and_says_so() -> None:
    metric = mean_metric([0.3], "higher")
    assert metric.interval is None
    assert "one example" in metric.note
    assert mean_metric([0.3, 0.4], "higher", Resampling(("a", "a"))).interval is None


def test_all_equal_shares_get_the_exact_interval() -> None:
    metric = mean_metric([0.0] * 15, "higher")
    assert metric.interval[0] == 0
    assert metric.interval[1] == pytest.approx(1 - 0.025 ** (1 / 15))  # Clopper–Pearson, 0 of 15: 0.218
    assert "Clopper" in metric.note
    low, high = mean_metric([1.0] * 15, "higher").interval
    assert (1 - high, 1 - low) == pytest.approx((0, 0.21802), abs=1e-5)


def test_all_equal_without_bounds_is_a_point_and_says_so() -> None:
    metric = mean_metric([2.5] * 4, "lower", bounds=None)
    assert metric.interval == (2.5, 2.5)
    assert "too narrow" in metric.note


def test_not_a_number_is_an_error_that_names_the_example() -> None:
    with pytest.raises(RunError, match="1 of 3 examples, first example 2"):
        mean_metric([0.1, 0.2, float("nan")], "higher")


def test_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one example"):
        mean_metric([], "higher")


def test_ratio_weighs_tokens() -> None:
    metric = exp_ratio_metric([np.log(2) * 1, np.log(8) * 3], [1, 3], "lower", unit="tokens")
    assert metric.value == pytest.approx(2 ** ((1 + 9) / 4))
    assert metric.per_example == pytest.approx((2, 8))
    assert metric.interval[0] < metric.value < metric.interval[1]


def test_infinite_ratio_is_kept_without_an_interval() -> None:
    metric = exp_ratio_metric([1e6, 1.0], [1, 1], "lower")
    assert metric.value == float("inf")
    infinite = exp_ratio_metric([float("inf"), 1.0], [1, 1], "lower")
    assert (infinite.value, infinite.interval, infinite.note) == (float("inf"), None, "infinite")


def test_resampling_takes_groups_from_the_examples() -> None:
    one, two = Example("1", "p", "a"), Example("2", "p", "a", group="ada")
    assert Resampling.of([one]).groups is None
    groups = Resampling.of([one, two, two]).groups
    assert groups is not None
    assert len(set(groups)) == 2
