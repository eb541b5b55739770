"""Misalignment of a generation test and a probability test."""

import pytest

from expunge.errors import ConfigError
from expunge.evaluate.misalignment import misalignment

BEFORE = [1.0] * 24


def test_by_hand() -> None:
    generated = [0.0] * 12 + [1.0] * 12
    probable = [0.0] * 6 + [1.0] * 6 + [0.0] * 3 + [1.0] * 9
    found = misalignment(BEFORE, generated, BEFORE, probable)
    assert (found.generation, found.probability, found.n) == (0.5, 9 / 24, 24)
    assert pytest.approx(3 / 24) == found.M
    assert pytest.approx(9 / 24) == found.D
    # phi of the table 6, 6, 3, 9
    assert found.correlation == pytest.approx((6 * 9 - 6 * 3) / (12 * 12 * 9 * 15) ** 0.5)


def test_equal_rates_on_other_items_are_no_agreement() -> None:
    found = misalignment(BEFORE, [0.0, 1.0] * 12, BEFORE, [1.0, 0.0] * 12)
    assert (found.M, found.D, found.correlation) == (0.0, 1.0, pytest.approx(-1))


def test_only_items_that_passed_both_tests_count() -> None:
    before = [1.0] * 21 + [0.0] * 3
    found = misalignment(before, [0.0] * 24, BEFORE, [1.0] * 24)
    assert (found.n, found.M, found.correlation) == (21, 1.0, None)
    with pytest.raises(ConfigError, match="19 of 24 items passed both"):
        misalignment([1.0] * 19 + [0.0] * 5, BEFORE, BEFORE, BEFORE)


def test_the_correlation_is_of_losses() -> None:
    after = [i / 24 for i in range(24)]
    assert misalignment(BEFORE, after, BEFORE, [a**2 for a in after]).correlation == pytest.approx(1)


def test_four_values_an_item() -> None:
    with pytest.raises(ConfigError, match=r"\[24, 24, 24, 23\]"):
        misalignment(BEFORE, BEFORE, BEFORE, BEFORE[1:])
