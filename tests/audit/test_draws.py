"""The paired bootstrap: what is drawn, weighted AUCs, bounds, and their coverage on simulated models."""

import numpy as np
import pytest

from expunge.audit.draws import Draws, Sample, bounds

GROUPS = ("a", "a", "b", "c")


def brute_auc(scores: list[float], control: list[float]) -> float:
    return float(np.mean([(s > c) + 0.5 * (s == c) for s in scores for c in control]))


def test_knowledge_is_a_mean_or_an_auc() -> None:
    assert Sample((0.0, 1.0, 0.5, 0.5), GROUPS).knowledge == 0.5
    scores, control = [0.1, 0.4, 0.4, 0.9], [0.4, 0.2]
    sample = Sample(tuple(scores), GROUPS, tuple(control), ("x", "y"))
    assert sample.knowledge == brute_auc(scores, control) == 4.5 / 8 + 0.5 / 8


def test_each_draw_repeats_whole_groups() -> None:
    """Every draw's mean is that of some three groups drawn with replacement, computed by repeating rows."""
    draws = Draws({"forget": GROUPS}, draws=50, seed=3)
    scores = (0.0, 1.0, 10.0, 100.0)
    got = draws.knowledge(Sample(scores, GROUPS), "forget")
    counts = draws._counts["forget"]
    assert (counts.sum(1) == 3).all()
    for value, (a, b, c) in zip(got, counts, strict=True):
        rows = [0.0, 1.0] * a + [10.0] * b + [100.0] * c
        assert value == pytest.approx(np.mean(rows))


def test_a_drawn_auc_is_that_of_the_repeated_rows() -> None:
    draws = Draws({"forget": GROUPS, "holdout": ("x", "y", "z")}, draws=40, seed=1)
    scores, control = [0.1, 0.4, 0.4, 0.9], [0.4, 0.2, 0.6]
    sample = Sample(tuple(scores), GROUPS, tuple(control), ("x", "y", "z"))
    inside, outside = draws._counts["forget"][:, [0, 0, 1, 2]], draws._counts["holdout"]
    for value, weights, others in zip(draws.knowledge(sample, "forget"), inside, outside, strict=True):
        assert value == pytest.approx(
            brute_auc(np.repeat(scores, weights).tolist(), np.repeat(control, others).tolist())
        )


def test_the_same_draw_weighs_all_models_alike() -> None:
    """A constant difference stays one in every draw, whatever the examples' own spread."""
    draws = Draws({"forget": GROUPS}, draws=100)
    one, other = (Sample(tuple(x + d for x in (0.1, 0.7, 0.2, 0.9)), GROUPS) for d in (0.0, 0.25))
    difference = draws.knowledge(other, "forget") - draws.knowledge(one, "forget")
    np.testing.assert_allclose(difference, 0.25)


def test_order_of_examples_and_sets_changes_nothing() -> None:
    first = Draws({"forget": GROUPS, "twins": ("t", "u")}, draws=30)
    second = Draws({"twins": ("u", "t"), "forget": GROUPS[::-1]}, draws=30)
    sample, turned = Sample((0.1, 0.2, 0.3, 0.4), GROUPS), Sample((0.4, 0.3, 0.2, 0.1), GROUPS[::-1])
    np.testing.assert_allclose(first.knowledge(sample, "forget"), second.knowledge(turned, "forget"), atol=1e-15)
    further = Draws({"forget": GROUPS, "another": ("x", "y")}, draws=30)  # nor do other sets
    np.testing.assert_array_equal(further.knowledge(sample, "forget"), first.knowledge(sample, "forget"))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_retrained_model_is_drawn_alike(number: int) -> None:
    draws = Draws({"forget": GROUPS}, draws=6000)
    mixed = draws.mixed([np.full(6000, float(each)) for each in range(number)])
    for each in range(number):
        assert np.mean(mixed == each) == pytest.approx(1 / number, abs=0.03)


def test_bounds_are_percentiles_moved_out_for_few_groups() -> None:
    values = np.arange(1001) / 1000
    assert bounds(values, 10_000) == pytest.approx((0.05, 0.95), abs=1e-3)
    # ten groups: t(0.95, 9) = 1.8331, times √(10/9) is 1.9323, and Φ of that 0.97334
    assert bounds(values, 10) == pytest.approx((0.02666, 0.97334), abs=1e-4)
    assert bounds(np.array([np.nan, *values, np.nan]), 10) == pytest.approx((0.02666, 0.97334), abs=1e-4)
    assert bounds(np.array([np.nan]), 10) == (-np.inf, np.inf)
    assert bounds(values, 4) == (-np.inf, np.inf)


def test_equal_draws_are_not_certain() -> None:
    """Nothing said in 40 groups leaves room for 7 %: 0.93 ** 40 is 5 %."""
    low, high = bounds(np.zeros(100), 40)
    assert high == pytest.approx(1 - 0.05 ** (1 / 40)) == pytest.approx(-low)
    assert (1 - high) ** 40 == pytest.approx(0.05)


@pytest.mark.parametrize("groups", [5, 10, 40])
def test_bounds_cover_as_often_as_they_say(groups: int) -> None:
    """Simulated models on groups of 4, with effects of groups: each one-sided 95 % bound holds 95 times in 100."""
    rng, trials = np.random.default_rng(0), 400
    names = tuple(f"g{i}" for i in range(groups) for _ in range(4))
    below = above = 0
    for trial in range(trials):
        shared = rng.normal(0, 0.2, groups).repeat(4)  # persons are easy or hard for both
        own = rng.normal(0, 0.1, groups).repeat(4)  # and some are remembered by one only
        one = Sample(tuple(0.5 + shared + own + rng.normal(0, 0.2, groups * 4)), names)
        other = Sample(tuple(0.4 + shared + rng.normal(0, 0.2, groups * 4)), names)
        draws = Draws({"forget": names}, draws=400, seed=trial)
        low, high = bounds(draws.knowledge(one, "forget") - draws.knowledge(other, "forget"), groups)
        below, above = below + (low > 0.1), above + (high < 0.1)
    # 5 % of 400 is 20; within three standard deviations, and not so wide that it never fails
    assert 7 <= below <= 33 and 7 <= above <= 33
