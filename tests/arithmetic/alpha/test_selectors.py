"""Selectors on made-up curves whose best α is known, and on those that offer none."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, log

import pytest

from expunge.arithmetic.alpha import Chosen, Curve, Goal, Never, Point, selectors
from expunge.arithmetic.alpha.candidates import BACK, candidates
from expunge.config import ExtrapolateConfig

GRID = ExtrapolateConfig().grid
KNOWN = log(0.1)  # what never-known models say of the answers
SPREAD = tuple(i / 100 for i in range(-50, 51))
NEVER = Never(0.1, tuple(KNOWN + each for each in SPREAD), "twins", KNOWN)


def point(alpha: float, forget: float, utility: float | None, related: float = 0.0, unrelated: float = 0.0) -> Point:
    return Point(alpha, forget, tuple(log(forget) + each for each in SPREAD), utility, 0.0, related, unrelated)


START = point(-1, 0.9, 1.0)


def choose(
    name: str, at: Callable[[float], Point], never: Never | None = NEVER, **parts: float
) -> tuple[Chosen, Curve]:
    goal = Goal(START, 0.95, never, GRID, **{"halvings": 6, **parts})  # type: ignore[arg-type]
    curve = Curve(at)
    return selectors.get(name).function(curve, goal), curve


def falling(alpha: float) -> Point:
    """Reaches never-known at α = 0.6, and the floor at 0.9."""
    return point(alpha, 0.4 * exp(-alpha * log(4) / 0.6), 1 - 0.05 * alpha / 0.9)


@pytest.mark.parametrize("name", ["nearest", "matched", "directed"])
def test_the_level_of_never_known_is_found_within_the_floor(name: str) -> None:
    found, _ = choose(name, falling)
    assert found.point.alpha == pytest.approx(0.6, abs=0.02)
    assert found.holds and not found.overshoots
    assert "twins" in found.why


def test_the_floor_comes_first() -> None:
    """Never-known is at 0.6 and the floor at 0.3: the last α with enough utility is taken."""
    found, _ = choose("nearest", lambda a: point(a, falling(a).forget, 1 - 0.05 * a / 0.3))
    assert 0.28 <= found.point.alpha <= 0.3
    assert found.holds


def test_nothing_is_halved_where_utility_does_not_fall() -> None:
    def bumpy(alpha: float) -> Point:
        return point(alpha, 0.5, 0.90 if alpha == 0.25 else 0.97)

    _, curve = choose("nearest", bumpy)
    assert {p.alpha for p in curve.points} == set(GRID)


@pytest.mark.parametrize("name", ["nearest", "matched", "gap", "directed"])
def test_without_enough_utility_at_zero_there_is_no_extrapolation(name: str) -> None:
    found, curve = choose(name, lambda a: point(a, 0.5, 0.9))
    assert found.point.alpha == 0.0 and not found.holds
    assert "does not keep 95%" in found.why
    assert curve.points


def test_overshoot_is_a_failure() -> None:
    """Never-known is -2.3 nats, 0.2 of the way there from -0.1 is 0.44: below -2.74 a candidate is none."""
    beyond = lambda a: point(a, exp(KNOWN - 0.5 - a), 1.0)
    found, _ = choose("nearest", beyond)
    assert found.point.alpha == 0.0 and found.overshoots
    assert "beyond never-known already" in found.why
    # the inverted U of gradient ascent: the nearest by level alone would be far beyond
    goal = Goal(START, 0.95, NEVER, GRID)
    steep = lambda a: point(a, 0.25 if a < 0.7 else 1e-6, 1.0)
    assert all(not goal.overshoots(p) for p in candidates(Curve(steep), goal))
    found, _ = choose("nearest", steep)
    assert found.point.forget == 0.25


def test_without_a_reference_most_of_the_gain_is_enough() -> None:
    """From 0.9: 0.5 is 57 % of the gain to 0.2, 0.27 is 90 %."""
    levels = dict(zip(GRID, (0.5, 0.45, 0.4, 0.35, 0.27, 0.25, 0.22, 0.2)))
    found, _ = choose("nearest", lambda a: point(a, levels[a], None), never=None)
    assert found.point.alpha == GRID[4]
    assert found.why.startswith("reference-free")


def test_matched_goes_by_the_distribution_not_the_mean() -> None:
    """Where the mean level is the reference's, the spread is not; the reference's spread is at another α."""

    def spread(alpha: float) -> Point:
        if alpha == 0.5:
            return Point(alpha, 0.1, (-7.0, -0.1, -0.1, -4.0, -0.1), 1.0)
        return Point(alpha, 0.105, tuple(KNOWN + 0.01 + each for each in SPREAD), 1.0)

    found, _ = choose("matched", spread)
    assert found.point.alpha == 0.0
    nearest, _ = choose("nearest", spread)
    assert nearest.point.alpha == 0.5


def test_gap_takes_the_widest_and_weighs_what_is_unrelated() -> None:
    """Δ_related = 2α, Δ_unrelated = α²: the gap 2α - λα² is widest at α = 1/λ."""
    at = lambda a: point(a, 0.5, 1.0, related=1 + 2 * a, unrelated=3 + a * a)
    assert choose("gap", at)[0].point.alpha == 1.0
    assert choose("gap", at, weight=2.0)[0].point.alpha == 0.5
    assert choose("gap", at, weight=0.0)[0].point.alpha == 2.0


def test_points_are_measured_once() -> None:
    asked: list[float] = []

    def measured(alpha: float) -> Point:
        asked.append(alpha)
        return falling(alpha)

    choose("matched", measured)
    assert len(asked) == len(set(asked))


def test_what_selectors_need_is_said() -> None:
    assert {name for name in selectors if selectors.get(name).never} == {"matched"}
    assert {name for name in selectors if selectors.get(name).related} == {"gap"}
    assert {name for name in selectors if selectors.get(name).directed} == {"directed"}


@pytest.mark.parametrize("name", ["nearest", "directed"])
def test_without_a_reference_and_without_gain_there_is_no_extrapolation(name: str) -> None:
    """Every α makes the forget set likelier than it was at first."""
    found, _ = choose(name, lambda a: point(a, min(1.0, 0.92 + 0.01 * a), 1.0), never=None)
    assert found.point.alpha == 0.0 and "nothing is gained" in found.why


def test_a_failing_start_costs_one_measurement() -> None:
    _, curve = choose("nearest", lambda a: point(a, 0.5, 0.5))
    assert len(curve.points) == 1


def test_matched_on_unpaired_controls_finds_the_same_law() -> None:
    """The reference is a spread of controls, not their mean: the α with the same spread is the match."""
    found, _ = choose(
        "matched", falling, never=Never(0.1, tuple(KNOWN + each for each in SPREAD[::3]), "holdout", KNOWN)
    )
    assert found.point.alpha == pytest.approx(0.6, abs=0.03)


def test_the_floor_is_kept_by_so_much_that_the_other_half_keeps_it() -> None:
    """With a margin of 0.02 the utility must be 0.97 of the start's, which is so up to α = 0.75."""
    at = lambda a: replace(point(a, 0.5 - 0.1 * a, 1 - 0.04 * a), margin=0.02)
    found, _ = choose("nearest", at)
    assert 0.73 <= found.point.alpha <= 0.75
    near, _ = choose("nearest", lambda a: replace(point(a, 0.5, 0.96), margin=0.02))
    assert near.point.alpha == 0.0 and near.holds and "too near" in near.why


@pytest.mark.parametrize("name", ["nearest", "matched", "gap", "directed"])
def test_a_change_that_costs_too_much_is_taken_back_as_far_as_needed(name: str) -> None:
    """The utility is 0.93 with all of the change and 1 without: 0.95 is reached where 2/7 of it are taken back."""
    at = lambda a: point(a, 0.9 - 0.6 * (1 + a), 1 - 0.07 * (1 + a), related=1 + a, unrelated=0.0)
    found, curve = choose(name, at, back=BACK)
    assert found.point.alpha == pytest.approx(-2 / 7, abs=0.005) and found.point.alpha < -2 / 7
    assert found.holds and "does not keep 95%" in found.why and "taken back" in found.why
    assert all(p.alpha <= 0 for p in curve.points)


def test_a_change_beyond_never_known_is_taken_back_to_it() -> None:
    """Levels fall evenly in logs from 0.9 at -1 to a hundredth of never-known at 0."""
    at = lambda a: point(a, exp(log(0.9) + (1 + a) * (KNOWN - log(100) - log(0.9))), 1.0)
    found, _ = choose("nearest", at, back=BACK)
    assert found.point.forget == pytest.approx(0.1, rel=0.05) and not found.overshoots
    assert "beyond never-known already, so a part of it is taken back" in found.why


def test_taking_back_what_gained_nothing_is_no_choice() -> None:
    """The change costs too much and made the forget set likelier; so did every part of it."""
    found, _ = choose("nearest", lambda a: point(a, 0.95 + 0.04 * a, 1 - 0.07 * (1 + a)), never=None, back=BACK)
    assert found.point.alpha == 0.0 and not found.holds and "taken back" not in found.why


def test_only_a_change_that_is_no_candidate_is_taken_back() -> None:
    found, curve = choose("nearest", falling, back=BACK)
    assert found.point.alpha == pytest.approx(0.6, abs=0.02) and min(p.alpha for p in curve.points) == 0
    lost, _ = choose("nearest", lambda a: point(a, 0.5, 0.5), back=BACK)
    assert lost.point.alpha == 0.0 and not lost.holds and "taken back" not in lost.why


@pytest.mark.parametrize("name", ["nearest", "matched", "gap", "directed"])
@pytest.mark.parametrize("what", ["forget", "utility", "related", "logs", "margin"])
def test_what_is_not_finite_is_not_chosen(name: str, what: str) -> None:
    """From α = 0.5 on something is not a number."""

    def broken(alpha: float) -> Point:
        found = falling(alpha)
        bad = (float("nan"),) * len(SPREAD) if what == "logs" else float("inf")
        return replace(found, **{what: bad}) if alpha >= 0.5 else found

    found, _ = choose(name, broken)
    assert found.point.alpha < 0.5 and found.point.finite
    found, _ = choose(name, lambda alpha: replace(broken(1 + alpha), alpha=alpha))
    assert found.point.alpha == 0.0 and "not finite" in found.why
