"""Truth ratio, forget quality and what else compares a right answer with wrong ones, on numbers worked by hand."""

from math import comb, inf, log, log10

import numpy as np
import pytest

from expunge.errors import ConfigError, RunError
from expunge.evaluate.choice_accuracy import choice_accuracy
from expunge.evaluate.forget_quality import forget_quality
from expunge.evaluate.probability_normalized import probability_normalized
from expunge.evaluate.truth_ratio import Form, of_form, truth_ratio

# Per-token probabilities (0.5 · 0.5) → 0.5 a token; wrong ones of 0.25 and 1/16 a token, of different lengths.
RIGHT = [np.log([0.5, 0.5])]
WRONG = [[np.log([0.25]), np.log([1 / 16, 1 / 16, 1 / 16])]]


@pytest.mark.parametrize(
    ("form", "wrong", "value"),
    [
        # geometric mean sqrt(1/4 · 1/16) = 1/8: TR = 1/4
        ("knowledge", "geometric", 4 / 5),
        ("forget", "geometric", 1 / 4),
        ("retain", "geometric", 3 / 4),
        # arithmetic mean (1/4 + 1/16)/2 = 5/32: TR = 5/16
        ("knowledge", "arithmetic", 16 / 21),
        ("forget", "arithmetic", 5 / 16),
        ("retain", "arithmetic", 11 / 16),
    ],
)
def test_truth_ratio_in_every_published_form(form: Form, wrong: str, value: float) -> None:
    metric = truth_ratio(RIGHT, WRONG, form=form, wrong=wrong)  # type: ignore[arg-type]
    assert metric.value == pytest.approx(value, rel=1e-12)
    assert metric.better == ("lower" if form == "forget" else "higher")


def test_a_model_that_prefers_the_wrong_answers() -> None:
    """TR = 0.5 / 0.125 = 4."""
    right, wrong = [np.log([0.125])], [[np.log([0.5])]]
    values = {form: truth_ratio(right, wrong, form=form).value for form in ("knowledge", "forget", "retain")}
    assert values == pytest.approx({"knowledge": 0.2, "forget": 0.25, "retain": 0.0})


def test_a_ruined_model_neither_overflows_nor_warns() -> None:
    right, wrong = [np.full(3, -900.0), np.full(3, -1.0)], [[np.full(2, -1.0)], [np.full(2, -900.0)]]
    assert truth_ratio(right, wrong).per_example == (0.0, 1.0)
    assert truth_ratio(right, wrong, form="forget").per_example == (0.0, 0.0)
    assert truth_ratio(right, wrong, form="retain").per_example == (0.0, 1.0)
    with pytest.raises(RunError, match="not a number for 1 of 1"):
        truth_ratio([np.array([-inf])], [[np.array([-inf])]])


def test_forms_follow_from_one_another() -> None:
    random = np.random.default_rng(0)
    right = [np.log(random.random(3)) for _ in range(20)]
    wrong = [[np.log(random.random(2)) for _ in range(5)] for _ in range(20)]
    knowledge = truth_ratio(right, wrong).per_example
    for form in ("knowledge", "forget", "retain"):
        assert of_form(knowledge, form) == pytest.approx(truth_ratio(right, wrong, form=form).per_example, abs=1e-12)
    assert of_form([0.0, 1.0], "forget") == [0.0, 0.0]


def test_probability_among_options() -> None:
    # 0.5 a token against 0.25 and 1/16 a token, whatever their lengths: 8 / (8 + 4 + 1)
    assert probability_normalized(RIGHT, WRONG).value == pytest.approx(8 / 13)
    assert probability_normalized([np.array([-800.0])], [[np.array([-800.0])] * 3]).value == pytest.approx(0.25)


def test_choice_accuracy_takes_the_probability_of_the_whole_option() -> None:
    # the right one has 0.25 in all; a short wrong one beats it with 0.3, a long one per token only (0.6³ = 0.216)
    right = [np.log([0.5, 0.5])] * 3
    wrong = [[np.log([0.3])], [np.log([0.6, 0.6, 0.6])], [np.log([0.25])]]
    metric = choice_accuracy(right, wrong)
    assert metric.per_example == (0.0, 1.0, 0.0)  # an equal option is a miss
    assert metric.value == pytest.approx(1 / 3)


def test_forget_quality_of_samples_that_do_not_overlap() -> None:
    """D = 1; of the C(2n, n) orders two separate the samples: p = 2 / C(2n, n)."""
    found = forget_quality([0.1, 0.2, 0.3, 0.4], [0.6, 0.7, 0.8, 0.9])
    assert (found.distance, found.n) == (1.0, (4, 4))
    assert found.p == pytest.approx(2 / comb(8, 4))
    assert found.log10_p == pytest.approx(log10(2 / 70))


def test_forget_quality_sees_order_only() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(size=40), random.normal(0.5, size=30)
    plain = forget_quality((1 / (1 + np.exp(one))).tolist(), (1 / (1 + np.exp(other))).tolist())
    assert plain == forget_quality(np.exp(one).tolist(), np.exp(other).tolist())
    assert plain.n == (40, 30)


def test_forget_quality_below_the_smallest_float() -> None:
    """All of 1,000 values apart: p underflows, its logarithm is 2 exp(-2 · 1000²/2000) = 2 e^-1000."""
    found = forget_quality([0.0 + i for i in range(1000)], [5000.0 + i for i in range(1000)])
    exact = log10(2) - log10(comb(2000, 1000))
    assert found.log10_p == pytest.approx((log(2) - 1000) / log(10) if found.p == 0 else exact)
    assert found.log10_p < -400


def test_forget_quality_refuses_what_is_no_sample() -> None:
    with pytest.raises(ConfigError, match="no values for the retrained model"):
        forget_quality([0.5], [])
    with pytest.raises(ConfigError, match="not numbers for the unlearned"):
        forget_quality([float("nan")], [0.5])


def test_tofu_takes_the_arithmetic_mean_for_model_utility_only() -> None:
    right, wrong = [np.log([0.5])], [[np.log([0.25]), np.log([0.0625])]]
    for form, mean in (("retain", "arithmetic"), ("forget", "geometric"), ("knowledge", "geometric")):
        found = truth_ratio(right, wrong, form=form, compat="tofu")  # type: ignore[arg-type]
        assert found.value == truth_ratio(right, wrong, form=form, wrong=mean).value  # type: ignore[arg-type]
