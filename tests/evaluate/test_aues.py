"""AUES and MU95: by hand, against a fine grid, and under domination."""

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.aues import Point, aues, aues_raw, common_range, point
from expunge.evaluate.mu95 import mu95


def by_grid(points: list[Point]) -> float:
    """The definition, at the middle of 10,000 bins."""
    start = points[0]
    heights = [
        start.RS if f <= start.FS else max((p.RS for p in points if f <= p.FS), default=0.0)
        for f in (np.arange(10_000) + 0.5) / 10_000
    ]
    return float(np.mean(heights))


def drawn(seed: int, n: int = 6) -> list[Point]:
    return [Point(*row) for row in np.random.default_rng(seed).random((n, 2)).tolist()]


@pytest.mark.parametrize("seed", range(20))
def test_against_a_grid(seed: int) -> None:
    points = drawn(seed)
    assert aues(points) == pytest.approx(by_grid(points), abs=1e-3)
    assert 0 <= aues(points) <= 1


def test_a_constant_point() -> None:
    assert aues([Point(0.2, 0.8)] * 3) == pytest.approx(0.16)
    assert aues([Point(0.0, 1.0), Point(1.0, 1.0)]) == 1.0


@pytest.mark.parametrize("seed", range(10))
def test_monotone_under_domination(seed: int) -> None:
    start, *rest = drawn(seed)
    better = [Point(min(1.0, p.FS + 0.1), min(1.0, p.RS + 0.1)) for p in rest]
    assert aues([start, *better]) >= aues([start, *rest])
    assert aues([start, *rest, *better]) >= aues([start, *rest])


def test_the_order_after_the_start_and_repeats_do_not_count() -> None:
    start, *rest = drawn(3)
    assert aues([start, *rest[::-1], *rest]) == aues([start, *rest])


def test_raw_is_the_area_under_lines_between_the_best() -> None:
    points = [Point(0.2, 0.9), Point(0.5, 0.3), Point(0.6, 0.7), Point(0.9, 0.5)]  # the second is beaten
    assert aues_raw(points, 0.2, 0.9) == pytest.approx(0.4 * 0.8 + 0.3 * 0.6)
    assert aues_raw(points, 0.2, 0.4) == pytest.approx(0.2 * 0.85)
    assert aues_raw([Point(0.2, 0.5), Point(0.4, 0.8)], 0.2, 0.4) == pytest.approx(0.2 * 0.8)
    with pytest.raises(ConfigError, match=r"reaches FS 0\.900"):
        aues_raw(points, 0.2, 0.95)


def test_the_range_that_all_runs_share() -> None:
    runs = [[Point(0.2, 1.0), Point(0.9, 0.5)], [Point(0.3, 1.0), Point(0.7, 0.5), Point(0.5, 0.2)]]
    assert common_range(runs) == (0.3, 0.7)
    with pytest.raises(ConfigError, match="share no range"):
        common_range([[Point(0.2, 1.0)], [Point(0.3, 1.0), Point(0.7, 0.5)]])


def test_points() -> None:
    assert point(0.2, 0.9) == (0.8, 0.9)
    for wrong in ([], [Point(1.2, 0.5)]):
        with pytest.raises(ConfigError):
            aues(wrong)


def test_mu95() -> None:
    found = mu95([0.6, 0.59, 0.58, 0.5, 0.58], [-16.0, -9.0, -12.0, -4.0, -10.0])
    assert (found.best, found.floor) == (-9.0, pytest.approx(0.57))
    assert found.crossing == pytest.approx(-12 + (0.58 - 0.57) / (0.58 - 0.5) * 8)
    assert mu95([1.0, 0.95, 0.9], [-3.0, -2.0, -1.0]).crossing == -2.0  # met exactly


def test_mu95_says_why_it_is_not_defined() -> None:
    with pytest.raises(ConfigError, match="no checkpoint falls below 95%"):
        mu95([0.6, 0.6, 0.59], [-16.0, -9.0, -8.0])
    with pytest.raises(ConfigError, match="only the start"):
        mu95([0.6, 0.5, 0.4], [-16.0, -9.0, -8.0])
    with pytest.raises(ConfigError, match="2 utilities for 1"):
        mu95([0.6, 0.5], [-16.0])
