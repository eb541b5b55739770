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
    # of the table 6, 6, 3, 9; of 0 and 1 only, both are the same
    assert found.correlation == found.phi
    assert found.phi == pytest.approx((6 * 9 - 6 * 3) / (12 * 12 * 9 * 15) ** 0.5)


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


def test_losses_have_ranks_that_rates_do_not() -> None:
    """All fall below the threshold, some further: φ has no spread to speak of, ρ has."""
    probable = [0.49 - i / 100 for i in range(24)]
    said = [0.4 - i / 100 for i in range(24)]
    found = misalignment(BEFORE, said, BEFORE, probable)
    assert (found.M, found.D, found.phi) == (0.0, 0.0, None)
    assert found.correlation == pytest.approx(1) and found.correlation_interval == pytest.approx((1, 1))
    found = misalignment(BEFORE, said, [0.6] * 24, probable, probable=0.6)
    assert found.n == 24
    with pytest.raises(ConfigError, match="0 of 24"):
        misalignment(BEFORE, said, [0.6] * 24, probable, probable=0.7)


def test_intervals_draw_groups() -> None:
    generated, probable = [0.0] * 60 + [1.0] * 60, ([0.0] * 15 + [1.0] * 15) * 4
    one = misalignment([1.0] * 120, generated, [1.0] * 120, probable)
    assert one.M == 0.0 and one.D == 0.5 and one.M_interval is not None and one.D_interval is not None
    assert one.M_interval[0] == 0.0 < one.M_interval[1] < 0.2
    assert 0.4 < one.D_interval[0] < 0.5 < one.D_interval[1] < 0.6  # ± 1.96 sqrt(0.25 / 120) = 0.09
    many = misalignment(
        [1.0] * 120, generated, [1.0] * 120, probable, groups=[f"{place // 15}" for place in range(120)]
    )
    assert many.D_interval is not None and many.D_interval[1] - many.D_interval[0] > 0.5  # eight groups only
    few = misalignment([1.0] * 120, generated, [1.0] * 120, probable, groups=[place // 30 for place in range(120)])
    assert (few.M_interval, few.D_interval, few.correlation_interval) == (None, None, None)
    apart = misalignment([1.0] * 120, [0.0] * 120, [1.0] * 120, [0.0] * 20 + [1.0] * 100)
    assert apart.M_interval is not None and 0.7 < apart.M_interval[0] < apart.M < apart.M_interval[1] < 0.95


def test_four_values_an_item() -> None:
    with pytest.raises(ConfigError, match=r"\[24, 24, 24, 23\]"):
        misalignment(BEFORE, BEFORE, BEFORE, BEFORE[1:])
