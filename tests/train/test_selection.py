"""The rule that chooses a checkpoint, on trajectories made by hand."""

from dataclasses import replace

import pytest

from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.train.selection import Point, Rule, halves
from expunge.train.unlearn import train
from steps import settings, taught_model
from tiny import tiny_model, tiny_sets

Pairs = list[tuple[float, float | None]]


def points(*pairs: tuple[float, float | None]) -> list[Point]:
    """(forget level, utility) at steps 0, 10, 20, …"""
    return [Point(10 * i, float(i), forget, utility) for i, (forget, utility) in enumerate(pairs)]


KNOWN = Rule(floor=0.95, never_known=0.10, stops=True)
FREE = Rule(floor=0.95, never_known=None)
CASES: dict[str, tuple[Rule, Pairs, int]] = {
    "nearest to never-known from above": (KNOWN, [(0.9, 0.8), (0.5, 0.8), (0.12, 0.8), (0.3, 0.8)], 2),
    "over-forgetting is a fault too": (KNOWN, [(0.9, 0.8), (0.13, 0.8), (0.01, 0.8), (0.0, 0.8)], 1),
    "but a little below may be nearest": (KNOWN, [(0.9, 0.8), (0.2, 0.8), (0.08, 0.8), (0.0, 0.8)], 2),
    "what breaks the floor is no candidate": (KNOWN, [(0.9, 0.8), (0.5, 0.77), (0.1, 0.75), (0.4, 0.761)], 3),
    "exactly the floor is enough": (KNOWN, [(0.9, 1.0), (0.5, 0.95), (0.1, 0.9499)], 1),
    "of equals the first": (KNOWN, [(0.9, 0.8), (0.12, 0.8), (0.08, 0.8)], 1),
    "no candidate: the one that keeps most": (KNOWN, [(0.9, 0.8), (0.5, 0.3), (0.4, 0.6), (0.1, 0.5)], 2),
    "a candidate after none": (KNOWN, [(0.9, 0.8), (0.5, 0.3), (0.8, 0.79)], 2),
    "the start is never kept if there is another": (KNOWN, [(0.1, 0.8), (0.9, 0.8)], 1),
    "without utility all are candidates": (KNOWN, [(0.9, None), (0.5, None), (0.0, None)], 2),
    "reference-free: 90 % of the gain is enough": (FREE, [(1.0, 0.8), (0.2, 0.8), (0.15, 0.8), (0.12, 0.8)], 1),
    "reference-free: a clearly lower one replaces it": (FREE, [(1.0, 0.8), (0.5, 0.8), (0.3, 0.8), (0.28, 0.8)], 2),
    "reference-free: the floor holds there as well": (FREE, [(1.0, 0.8), (0.5, 0.8), (0.0, 0.7)], 1),
    "reference-free: from getting worse to getting better": (FREE, [(0.5, 0.8), (0.7, 0.8), (0.4, 0.8)], 2),
    "only the start": (KNOWN, [(0.9, 0.8)], 0),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_rule(case: str) -> None:
    rule, pairs, expected = CASES[case]
    assert rule.best(points(*pairs)) == expected


@pytest.mark.parametrize("case", list(CASES))
def test_a_dropped_point_is_never_needed_again(case: str) -> None:
    """Points come one by one and only the best one's weights are on disk."""
    rule, pairs, _ = CASES[case]
    trajectory = points(*pairs)
    kept = [rule.best(trajectory[: n + 1]) for n in range(len(trajectory))]
    for n in range(1, len(kept)):
        assert kept[n] in (kept[n - 1], n)


def test_why_and_whether_the_floor_held() -> None:
    start, good, bad = points((0.9, 0.8), (0.1, 0.8), (0.1, 0.1))
    assert KNOWN.holds(good, start) and not KNOWN.holds(bad, start)
    assert "nearest to the never-known level" in KNOWN.why(good, start)
    assert "no checkpoint kept 95%" in KNOWN.why(bad, start)
    assert FREE.why(good, start).startswith("reference-free")


def test_when_training_may_stop() -> None:
    start, above, there, broken = points((0.9, 0.8), (0.11, 0.8), (0.10, 0.8), (0.05, 0.2))
    assert [KNOWN.met(p, start) for p in (start, above, there, broken)] == [False, False, True, False]
    assert not FREE.met(there, start)


def watched(trajectory: Pairs, **changes: object):
    """A run whose measurements are given."""
    at = dict(enumerate(trajectory))
    return train(
        tiny_model(), tiny_sets(),
        settings("npo", eval_every=1, max_steps=len(trajectory) - 1, learning_rate=1e-4, **changes),
        watch=lambda step: {"forget": at[step][0], "utility": at[step][1]},
    )  # fmt: skip


def test_the_kept_weights_are_those_of_the_kept_point() -> None:
    """Step 2 of 4 is kept: the change is that of a run of two steps."""
    trained = watched([(0.9, 0.8), (0.5, 0.8), (0.003, 0.8), (0.003, 0.2), (0.9, 0.8)])
    assert trained.kept.step == 2 and trained.floor_held and trained.never_known is not None
    shorter = watched([(0.9, 0.8), (0.5, 0.8), (0.003, 0.8)])
    assert dict(trained.change.results) == dict(shorter.change.results)
    lost = watched([(0.9, 0.8), (0.5, 0.1), (0.4, 0.2), (0.3, 0.1)])
    assert lost.kept.step == 2 and not lost.floor_held and "kept most" in lost.why


def test_early_stop() -> None:
    """At the first point where utility holds and the forget level is down; the steps that were made are told."""
    trajectory: Pairs = [(0.9, 0.8), (0.0, 0.2), (0.0, 0.8), (0.0, 0.8), (0.0, 0.8)]
    stopped = watched(trajectory, early_stop=True)
    assert (len(stopped.points), stopped.steps, stopped.kept.step) == (3, 2, 2)
    assert watched(trajectory).steps == 4
    nothing = watched([(0.0, 0.8), (0.5, 0.8)], early_stop=True)  # there was nothing to forget
    assert (nothing.steps, nothing.kept.step, nothing.change.names) == (0, 0, ())


def test_a_point_says_what_happened_since_the_last() -> None:
    """Levels are measured on the forget set and on half of the retain set; losses are means over the steps."""
    model, sets = taught_model(), tiny_sets()
    one = train(model, sets, settings("npo", max_steps=4, eval_every=1, retain_weight=3.0))
    two = train(model, sets, settings("npo", max_steps=4, eval_every=2, retain_weight=3.0))
    assert one.points[0].loss is None and one.points[0].forget > 0.5 and one.points[0].utility > 0.5
    losses = [point.loss for point in one.points[1:]]
    assert [point.loss for point in two.points[1:]] == pytest.approx(
        [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2], rel=1e-6
    )
    assert [p.forget for p in two.points] == [p.forget for p in one.points[::2]]
    assert one.points[-1].retain_loss < 3  # unweighted


def test_levels_of_a_sample_choose_among_the_same_weights() -> None:
    """`eval_rows` changes what is seen between steps, and no step."""
    model, sets = taught_model(), tiny_sets()
    usual = {"max_steps": 2, "eval_every": 1}
    whole, few, enough = (
        train(model, sets, settings("npo", **usual, eval_rows=rows)) for rows in (None, 1, len(sets.forget))
    )
    assert few.points[0].forget != whole.points[0].forget
    assert [point.loss for point in few.points] == [point.loss for point in whole.points]
    assert [p.forget for p in enough.points] == [p.forget for p in whole.points]
    alone = replace(sets, forget=tuple(sample_of(sets.forget, 1, 0)))
    expected = train(model, alone, settings("npo", **usual, batch_size=1)).points[0].forget
    assert few.points[0].forget == pytest.approx(expected, rel=1e-6)


def test_halves_go_by_group_and_leave_nothing_out() -> None:
    examples = [Example(str(i), "p", "a", group=f"g{i // 3}") for i in range(12)]
    examples += [Example("alone", "p", "a"), Example("also", "p", "a")]
    first, second = halves(examples, seed=3)
    assert sorted(e.id for e in [*first, *second]) == sorted(e.id for e in examples)
    key = lambda e: e.group or e.id
    assert not {key(e) for e in first} & {key(e) for e in second}
    assert len({key(e) for e in first}) == len({key(e) for e in second}) == 3
    assert halves(examples[::-1], seed=3)[0] == [e for e in examples[::-1] if e in first]
    assert any(halves(examples, seed=s) != (first, second) for s in range(4, 8))
    assert halves([], seed=0) == ([], []) and len(halves(examples[:1], seed=0)[0]) == 1
