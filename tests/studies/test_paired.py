"""Paired statistics: by hand, by brute force, and on simulated seeds whose truth is known."""

from collections.abc import Callable
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from scipy import stats

from expunge.errors import ConfigError
from expunge.studies.paired import (
    DRAWS,
    MOST_EXACT,
    Paired,
    detectable_size,
    paired,
    permutation_p,
    sentence,
)

NAMES = ("Oracle", "Random")
ORACLE, RANDOM = [5.0, 4.0, 6.0, 9.0], [3.0, 5.0, 3.0, 5.0]  # differences 2, -1, 3, 4


def brute_p(d: list[float]) -> float:
    """All signs, with whole numbers so that sums are exact."""
    sums = [abs(sum(s * x for s, x in zip(signs, d))) for signs in product((1, -1), repeat=len(d))]
    return sum(each >= abs(sum(d)) for each in sums) / len(sums)


def simulated(n: int, effect: float, times: int, seed: int = 0, sd: float = 1.0) -> list[Paired]:
    """Seeds have a level of their own, far larger than the difference: only pairs can see it."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        level = rng.normal(0, 30, n)
        d = effect + rng.normal(0, sd, n)
        found.append(paired((level + d).tolist(), level.tolist(), margin=1.0))
    return found


# ---- by hand


def test_by_hand() -> None:
    """d̄ = 2; squares of the deviations 0 + 9 + 1 + 4 = 14; s = √(14/3); standard error √(14/12); t₃ = 1.8516."""
    found = paired(ORACLE, RANDOM, margin=5.0)
    error = (14 / 12) ** 0.5
    assert (found.n, found.means, found.difference, found.absolute) == (4, (6.0, 4.0), 2.0, 2.5)
    assert found.sd == pytest.approx((14 / 3) ** 0.5)
    assert found.sds == pytest.approx(((14 / 3) ** 0.5, (4 / 3) ** 0.5))
    assert found.interval == pytest.approx((2 - 3.182446 * error, 2 + 3.182446 * error))  # t.975 of 3, from a table
    # of the 16 sums ±2 ±1 ±3 ±4 those of size ≥ 8 are ±8 (2 - 1 + 3 + 4) and ±10
    assert found.permutation_p == 4 / 16
    assert found.smallest_p == 2 / 16
    # P(|t₃| ≥ x) = 1 - (2/π)(θ + sin θ cos θ), θ = atan(x/√3)
    assert found.t_p == pytest.approx(_t3(2 / error), rel=1e-9)
    assert found.tost_p == pytest.approx(_t3(3 / error) / 2, rel=1e-9)  # the margin is 3 away on one side
    assert found.equivalent is True  # t₃ = 2.777 > 2.353
    assert found.finding == "equivalent"


def _t3(x: float) -> float:
    angle = np.arctan(x / 3**0.5)
    return float(1 - 2 / np.pi * (angle + np.sin(angle) * np.cos(angle)))


def test_detectable_effect_of_five_seeds() -> None:
    """With a paired SD of .016 to .024 an effect below .027 to .040 AUES goes unseen (arXiv:2505.16252, Table 2)."""
    assert [round(detectable_size(5) * sd, 3) for sd in (0.016, 0.024)] == [0.027, 0.040]
    for n in (2, 5, 6, 30):  # as an integral over the sample's variance, not by the noncentral F
        assert power(detectable_size(n), n) == pytest.approx(0.8, abs=1e-4)


def power(d: float, n: int) -> float:
    """P(|mean| √n/s > t) = E_s[ P(|N(d√n, 1)| > t s) ], (n - 1) s² ~ χ²."""
    bar = stats.t.isf(0.025, n - 1)
    s = np.sqrt(stats.chi2.ppf((np.arange(200_000) + 0.5) / 200_000, n - 1) / (n - 1))
    return float(np.mean(stats.norm.sf(bar * s - d * n**0.5) + stats.norm.cdf(-bar * s - d * n**0.5)))


# ---- against brute force and scipy


@pytest.mark.parametrize("seed", range(8))
def test_equals_brute_force_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    a, b = rng.integers(-9, 9, (2, n)).astype(float)
    b[0] += a[0] == b[0]
    b[1] += 2 * ((a - b)[1] == (a - b)[0])  # never all equal
    found = paired(a.tolist(), b.tolist(), margin=3.0)
    assert found.permutation_p == brute_p((a - b).tolist())
    theirs = stats.ttest_rel(a, b)
    assert found.t_p == pytest.approx(theirs.pvalue)
    assert found.interval == pytest.approx(tuple(theirs.confidence_interval()))
    sides = [stats.ttest_1samp(a - b, m, alternative=side).pvalue for m, side in ((-3, "greater"), (3, "less"))]
    assert found.tost_p == pytest.approx(max(sides))


def test_equivalent_is_where_the_90_percent_interval_lies_within_the_margin() -> None:
    for found in simulated(6, 0.4, 40, sd=0.8):
        reach = stats.t.isf(0.05, 5) * found.sd / 6**0.5
        assert found.equivalent == (abs(found.difference) + reach <= 1.0)


def test_rounding_breaks_no_ties() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in floats, but every sum of signs is as far from 0 as this one."""
    assert permutation_p(np.array([0.1, 0.2, -0.3])) == 1.0
    assert permutation_p(np.array([0.1] * 6)) == 2 / 64


def test_order_of_seeds_and_of_names_changes_nothing() -> None:
    one, turned = paired(ORACLE, RANDOM, margin=1.0), paired(ORACLE[::-1], RANDOM[::-1], margin=1.0)
    for name, value in asdict(one).items():
        assert getattr(turned, name) == pytest.approx(value), name
    other = paired(RANDOM, ORACLE, margin=1.0)
    assert other.difference == -one.difference and other.interval and one.interval
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    same = ("permutation_p", "t_p", "tost_p", "equivalent", "detectable", "absolute")
    assert [getattr(other, name) for name in same] == pytest.approx([getattr(one, name) for name in same])


def test_many_seeds_are_drawn() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0.4, 1, MOST_EXACT)
    more = np.append(d, 0.0)  # a seed without difference leaves p as it is
    assert permutation_p(more, seed=1) == pytest.approx(permutation_p(d), abs=4 * (0.25 / DRAWS) ** 0.5)
    assert permutation_p(more, seed=1) == permutation_p(more, seed=1) != permutation_p(more, seed=2)
    sure = paired(np.arange(50, 70).tolist(), np.arange(20).tolist()[::-1], margin=1.0)
    assert sure.permutation_p == sure.smallest_p == 1 / (DRAWS + 1)  # never 0


# ---- on simulated seeds


def share(found: list[Paired], rule: Callable[[Paired], bool | None]) -> float:
    return sum(bool(rule(each)) for each in found) / len(found)


def test_size_and_coverage_without_an_effect() -> None:
    found = simulated(6, 0.0, 1500)
    assert share(found, lambda f: f.interval and f.interval[0] <= 0 <= f.interval[1]) == pytest.approx(0.95, abs=0.02)
    assert share(found, lambda f: f.t_p is not None and f.t_p <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert share(found, lambda f: f.permutation_p <= 0.05) == pytest.approx(2 / 64, abs=0.015)  # all that 64 ways allow
    assert share(found, lambda f: f.permutation_p <= 0.25) == pytest.approx(0.25, abs=0.035)


def test_size_of_equivalence_at_the_margin() -> None:
    found = simulated(6, 1.0, 1500, seed=1, sd=0.3)
    assert share(found, lambda f: f.equivalent) == pytest.approx(0.05, abs=0.02)


def test_equal_conditions_with_little_spread_are_found_equivalent() -> None:
    found = simulated(6, 0.0, 200, seed=2, sd=0.3)
    assert share(found, lambda f: f.finding == "equivalent") > 0.9


@pytest.mark.parametrize("n", [3, 6, 12])
def test_power_at_the_detectable_effect(n: int) -> None:
    found = simulated(n, detectable_size(n), 800, seed=n)
    assert share(found, lambda f: f.finding == "differ") == pytest.approx(0.8, abs=0.05)
    if n == 6:  # all six signs alike: Φ(1.43)⁶
        assert share(found, lambda f: f.permutation_p <= 0.05) == pytest.approx(stats.norm.cdf(1.4345) ** 6, abs=0.06)


def test_few_seeds_leave_it_unresolved_rather_than_equivalent() -> None:
    found = simulated(3, 0.0, 300, seed=4)
    assert share(found, lambda f: f.finding == "unresolved") > 0.8


# ---- words


def test_words_of_a_difference() -> None:
    found = paired([1.1, 1.2, 1.3, 1.1, 1.2, 1.3], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], margin=0.5)
    assert (found.finding, found.equivalent) == ("differ", True)
    said = sentence(found, NAMES, "AUES")
    assert said.startswith(
        "Oracle and Random differ: Oracle minus Random is +0.200 AUES (95 % interval 0.106 to 0.294;"
    )
    assert "paired t p = 0.003, sign-flip p = 0.031; 6 seeds). Yet" in said
    assert said.endswith("Yet they are equivalent within ±0.500 AUES (TOST p = 2.2e-04).")  # t₅ = .3/.0365
    assert "Yet" not in sentence(paired([2.1, 2.2, 2.3] * 2, [1.0] * 6, margin=0.5), NAMES, "AUES")


def test_words_of_equivalence() -> None:
    found = paired([1.1, 0.9, 1.05, 0.95, 1.0, 1.0], [1.0] * 6, margin=0.5)
    assert sentence(found, NAMES, "AUES").startswith("Oracle and Random are equivalent within ±0.500 AUES (TOST p = ")


def test_words_of_too_little_power() -> None:
    found = paired([1.5, 0.6, 1.2, 0.9, 1.0, 1.0], [1.0] * 6, margin=0.05)
    said = sentence(found, NAMES, "AUES")
    assert said.startswith(
        "Unresolved: Oracle and Random are neither shown to differ nor to be equivalent within ±0.05"
    )
    assert said.endswith("An effect below 0.432 AUES could not have been seen reliably (80 % power).")
    assert found.detectable == pytest.approx(1.4345 * (0.45333 / 5) ** 0.5, rel=1e-4)


def test_words_where_the_tests_disagree() -> None:
    few = paired([1.1, 1.2, 1.3, 1.2, 1.1], [1.0] * 5, margin=0.01)
    assert (few.smallest_p, few.finding) == (0.0625, "differ")
    assert sentence(few, NAMES, "AUES").endswith(
        "The sign-flip test does not confirm it: with 5 seeds its p cannot fall below 0.062."
    )
    mixed = paired([1.2, 1.25, 1.3, 1.2, 1.25, 0.99], [1.0] * 6, margin=0.01)
    assert mixed.finding == "differ" and mixed.permutation_p == 4 / 64  # one sign is against it
    assert sentence(mixed, NAMES, "AUES").endswith("The sign-flip test does not confirm it.")
    outlier = paired([1.1, 1.1, 1.1, 1.1, 1.1, 3.0], [1.0] * 6, margin=0.01)
    assert outlier.finding == "unresolved" and outlier.permutation_p == 2 / 64
    assert "The sign-flip test alone says that they differ. An effect" in sentence(outlier, NAMES, "AUES")


# ---- nothing to compute


@pytest.mark.parametrize("by", [0.0, 0.1])
def test_without_spread_numbers_are_absent(by: float) -> None:
    """0.1 + x - x differs from 0.1 by rounding: that is no spread."""
    values = [0.3, 0.5, 0.7, 0.9, 0.2, 0.4]
    found = paired([x + by for x in values], values, margin=0.05)
    absent = (found.interval, found.t_p, found.tost_p, found.equivalent, found.detectable)
    assert absent == (None,) * 5 and found.sd == 0
    assert found.permutation_p == (2 / 64 if by else 1.0)
    said = sentence(found, NAMES, "AUES")
    assert "without spread there is no interval and no power" in said
    assert said.startswith(
        "Oracle and Random differ: Oracle minus Random is +0.100 AUES in" if by else "Oracle and Random are identical: "
    )


@pytest.mark.parametrize(
    ("first", "second", "margin", "words"),
    [
        ([1.0], [2.0], 1.0, "at least two seeds, better six; got 1"),
        ([1.0, 2.0], [2.0], 1.0, "got 2 and 1 values"),
        ([1.0, float("nan")], [2.0, 1.0], 1.0, "pair 1 of a paired comparison has no finite value"),
        ([1.0, 2.0], [2.0, 2.0], 0.0, "above 0, in the metric's units; got 0"),
        ([1.0, 2.0], [2.0, 2.0], float("nan"), "above 0"),
    ],
)
def test_what_cannot_be_compared(first: list[float], second: list[float], margin: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        paired(first, second, margin=margin)
