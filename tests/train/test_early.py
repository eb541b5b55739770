"""Which checkpoint a change is extrapolated from."""

import pytest

from expunge.train.early import Early
from expunge.train.selection import Point

Pairs = list[tuple[float, float | None]]


def points(*pairs: tuple[float, float | None]) -> list[Point]:
    """(forget level, utility) at steps 0, 10, 20, …"""
    return [Point(10 * i, float(i), forget, utility) for i, (forget, utility) in enumerate(pairs)]


RULE = Early(floor=0.95, never_known=0.1, remaining=0.1)
PHASES = Early(floor=0.95, never_known=0.1, remaining=0.1, ends=(20, 40))  # two steps of `points` in each
CASES: dict[str, tuple[Early, Pairs, int]] = {
    "the last with a tenth of the way left": (RULE, [(0.9, 0.8), (0.5, 0.8), (0.2, 0.8), (0.17, 0.8)], 2),
    "exactly a tenth is enough": (RULE, [(0.9, 0.8), (0.18, 0.8), (0.1, 0.8)], 1),
    "what breaks the floor is no candidate": (RULE, [(0.9, 0.8), (0.5, 0.8), (0.3, 0.7)], 1),
    "all beyond: the first": (RULE, [(0.9, 0.8), (0.05, 0.8), (0.01, 0.8)], 1),
    "none keeps the floor: the first": (RULE, [(0.9, 0.8), (0.5, 0.1), (0.4, 0.2)], 1),
    "all beyond: the first that keeps the floor": (RULE, [(0.9, 0.8), (0.05, 0.5), (0.04, 0.8), (0.03, 0.8)], 2),
    "coming back counts": (RULE, [(0.9, 0.8), (0.1, 0.8), (0.5, 0.8)], 2),
    "without a reference the way is that to 0": (
        Early(0.95, None, remaining=0.1), [(1.0, 0.8), (0.2, 0.8), (0.11, 0.8), (0.05, 0.8)], 2
    ),
    "only the start": (RULE, [(0.9, 0.8)], 0),
    "of phases, the last": (PHASES, [(0.9, 0.8), (0.5, 0.8), (0.3, 0.8), (0.25, 0.8), (0.1, 0.8)], 3),
    "gone before the last phase: its first": (PHASES, [(0.9, 0.8), (0.5, 0.8), (0.1, 0.8), (0.1, 0.8), (0.1, 0.8)], 3),
    "the last phase breaks the floor": (PHASES, [(0.9, 0.8), (0.5, 0.8), (0.3, 0.8), (0.2, 0.1), (0.2, 0.1)], 2),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_the_rule(case: str) -> None:
    rule, pairs, expected = CASES[case]
    assert rule.best(points(*pairs)) == expected


@pytest.mark.parametrize("case", list(CASES))
def test_a_dropped_point_is_never_needed_again(case: str) -> None:
    rule, pairs, _ = CASES[case]
    trajectory = points(*pairs)
    kept = [rule.best(trajectory[: n + 1]) for n in range(len(trajectory))]
    for n in range(1, len(kept)):
        assert kept[n] in (kept[n - 1], n)


def test_why() -> None:
    start, good, gone, broken = points((0.9, 0.8), (0.5, 0.8), (0.1, 0.8), (0.5, 0.1))
    assert "at least 10% of the way" in RULE.why(good, start)
    assert "gone at every checkpoint" in RULE.why(gone, start)
    assert "no checkpoint kept 95%" in RULE.why(broken, start)
    assert "the last of phase 1 of 2 with at least 10%" in PHASES.why(good, start)
    assert "the first of phase 1 of 2; the forget set was gone at every" in PHASES.why(gone, start)
