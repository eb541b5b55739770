"""Which checkpoint a change is extrapolated from."""

import pytest

from expunge.arithmetic.alpha.margin import margin
from expunge.data.convention import Encoder
from expunge.train.early import Early
from expunge.train.levels import mean_log_probs
from expunge.train.selection import Point, halves
from expunge.train.unlearn import train
from steps import settings, taught_model, unequal_sets

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


def sure(*triples: tuple[float, float, float]) -> list[Point]:
    """(forget level, utility, margin); the start's utility is 0.8, so the floor lies at 0.76."""
    return [Point(10 * i, float(i), forget, utility, margin=m) for i, (forget, utility, m) in enumerate(triples)]


START = (0.9, 0.8, 0.0)
MARGINS: dict[str, tuple[list[tuple[float, float, float]], int]] = {
    "an earlier point with room goes before a later one without": ([START, (0.5, 0.79, 0.02), (0.3, 0.77, 0.02)], 1),
    "of those with room the last": ([START, (0.6, 0.79, 0.02), (0.5, 0.785, 0.02), (0.3, 0.77, 0.02)], 2),
    "room goes before what is left": ([START, (0.5, 0.77, 0.02), (0.1, 0.79, 0.02)], 2),
    "none with room: the last that holds": ([START, (0.5, 0.77, 0.02), (0.4, 0.765, 0.02), (0.3, 0.7, 0.02)], 2),
    "coming back to room": ([START, (0.5, 0.77, 0.02), (0.4, 0.79, 0.02), (0.3, 0.765, 0.02)], 2),
}


@pytest.mark.parametrize("case", list(MARGINS))
def test_the_margin_that_choosing_alpha_asks_for(case: str) -> None:
    triples, expected = MARGINS[case]
    trajectory = sure(*triples)
    assert RULE.best(trajectory) == expected
    kept = [RULE.best(trajectory[: n + 1]) for n in range(len(trajectory))]
    assert all(kept[n] in (kept[n - 1], n) for n in range(1, len(kept)))
    room = trajectory[expected].utility - (trajectory[expected].margin or 0) >= 0.76  # type: ignore[operator]
    assert ("to go further from" in RULE.why(trajectory[expected], trajectory[0])) == (not room)


def test_the_floor_of_choosing_alpha_may_be_another() -> None:
    trajectory = sure(START, (0.5, 0.79, 0.02), (0.3, 0.77, 0.02))
    assert Early(0.95, 0.1, ahead=0.9).best(trajectory) == 2
    assert Early(0.95, 0.1, ahead=0.0).best(trajectory) == 2
    assert Early(0.9, 0.1, ahead=0.95).best(trajectory) == 1


def test_while_training_the_margin_is_that_of_the_selectors() -> None:
    """Measured on the selection half against its own start, row by row; and kept when a run goes on."""
    model, sets = taught_model(), unequal_sets()
    config = settings("gradient_ascent", eval_every=1, extrapolate={"selector": "nearest"})
    trained = train(model, sets, config)
    chosen = halves(sets.retain, config.seed)[0]
    rows = Encoder(model.tokenizer).encode_all(chosen)
    levels = lambda: mean_log_probs(model, rows, budget=512).exp()
    start = levels()
    assert trained.points[0].margin == pytest.approx(margin(start, start, 0.95, [e.id for e in chosen]), rel=1e-4)
    with trained.change.applied_to(model):
        there = margin(levels(), start, 0.95, [example.id for example in chosen])
    assert trained.kept.margin == pytest.approx(there, rel=1e-3) and there > 0
    assert train(model, sets, settings("gradient_ascent", eval_every=1)).points[0].margin is None
