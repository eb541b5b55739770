"""Audits by frequency: known differences are found, buckets add up, what cannot be said is not."""

from dataclasses import replace

import numpy as np
import pytest

from expunge.attacks import Finding
from expunge.audit.cells import Seen, Sources, draws_of, scored_cells
from expunge.audit.draws import Sample
from expunge.audit.misaligned import misaligned
from expunge.audit.strata import one_bucket, strata_of
from expunge.data.example import Example
from expunge.record_strata import Strata

N = 240
COUNTS = [(1, 3, 9, 27)[i % 4] for i in range(N)]
EXAMPLES = [Example(str(i), "?", "a", group=f"g{i // 4}", count=count) for i, count in enumerate(COUNTS)]


def sources(unlearned: list[float], *, examples: list[Example] = EXAMPLES, control: bool = True) -> Sources:
    """One metric and one attack, of a model that knew all, and of two that never knew."""
    rng = np.random.default_rng(0)
    scored = lambda values: Seen(
        {"forget": {"probability": list(values)}},
        {"prefix": [Finding(tuple(values[::2]), rows=tuple(range(0, N, 2)))]},
    )
    never = [rng.uniform(0, 0.2, N).tolist() for _ in range(2)] if control else []
    models = {"original": scored([0.9] * N), "unlearned": scored(unlearned)}
    models |= {f"retrained#{i}": scored(each) for i, each in enumerate(never)}
    return Sources(models, {"forget": examples}, "forget", ("forget",), control="retrained models")


def of(given: Sources, edges: tuple[int, ...] | None = None) -> tuple[Strata, ...]:
    return strata_of(scored_cells(given), given, draws_of(given, draws=500, seed=0), edges)


def test_frequent_facts_that_stay_are_seen() -> None:
    left = {1: 0.1, 3: 0.2, 9: 0.4, 27: 0.8}
    (found,) = of(sources([left[count] for count in COUNTS]))
    assert [(b.name, b.least, b.most, b.n) for b in found.buckets] == [("low", 1, 3, 120), ("medium", 9, 9, 60),
                                                                       ("high", 27, 27, 60)]  # fmt: skip
    assert [(cell.name, [v.n for v in cell.values]) for cell in found.cells] == [("probability", [120, 60, 60]),
                                                                                ("prefix", [60, 60, 0])]  # fmt: skip
    low, _, high = found.cells[0].values
    assert low.k["unlearned"] == pytest.approx(0.15) and high.k["unlearned"] == pytest.approx(0.8)
    assert low.k["original"] == pytest.approx(0.9)
    assert low.excess == pytest.approx(0.05, abs=0.02) and high.excess == pytest.approx(0.7, abs=0.02)
    assert high.excess_interval is not None and low.excess_interval is not None
    assert low.excess_interval[1] < 0.1 < 0.6 < high.excess_interval[0]  # type: ignore[operator]
    slope = found.cells[0].residual
    assert slope.value == pytest.approx(
        np.polyfit(np.log10(1 + np.array(COUNTS)), [left[c] for c in COUNTS], 1)[0], abs=0.02
    )
    assert slope.interval is not None and 0.5 < slope.interval[0] < slope.value < slope.interval[1]  # type: ignore[operator]
    flat = found.cells[0].original
    assert flat.interval is not None and flat.interval[0] < 0 < flat.interval[1]  # type: ignore[operator]


def test_buckets_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    some = [replace(e, count=None) if i % 5 == 0 else e for i, e in enumerate(EXAMPLES)]
    given = sources(rng.random(N).tolist(), examples=some)
    for edges in (None, (2, 20)):
        (found,) = of(given, edges)
        assert found.buckets[-1].least is None and sum(b.n for b in found.buckets) == N
        for cell, whole in zip(found.cells, scored_cells(given), strict=True):
            for label, sample in (("original", whole.original), ("unlearned", whole.unlearned)):
                parts = sum(v.n * (v.k[label] or 0.0) for v in cell.values if v.n)
                assert parts / sum(v.n for v in cell.values) == pytest.approx(sample.knowledge)


def test_intervals_hold_what_they_should() -> None:
    """No slope in the population: an interval at 95 % leaves it out in about one of twenty sets."""
    missed = 0
    for seed in range(40):
        values = np.random.default_rng(seed).random(N)
        interval = of(sources(values.tolist()))[0].cells[0].residual.interval
        assert interval is not None and interval[0] is not None and interval[1] is not None
        missed += not interval[0] < 0 < interval[1]
    assert missed <= 6


def test_where_there_is_nothing_to_part() -> None:
    none = [replace(each, count=None) for each in EXAMPLES]
    assert of(sources([0.1] * N, examples=none)) == ()
    assert of(sources([0.1] * N, examples=[replace(each, count=4) for each in EXAMPLES])) == ()
    assert one_bucket("forget", none, None, "count") == "" == one_bucket("forget", EXAMPLES, None, "count")
    some = [replace(each, count=None if i % 2 else 4) for i, each in enumerate(EXAMPLES)]
    assert "forget: nothing is told by frequency, for all 120 values of `count` (4) fall into one" in (
        one_bucket("forget", some, None, "count")
    )
    assert "(1 to 27)" in one_bucket("forget", EXAMPLES, (100,), "count")
    few = [replace(each, group=f"g{i % 3}") for i, each in enumerate(EXAMPLES)]
    (found,) = of(sources([0.1] * N, examples=few), (2,))
    assert found.cells[0].values[0].intervals["unlearned"] is not None  # too few groups: single examples are drawn


def test_without_a_control_there_is_a_level_and_no_excess() -> None:
    (found,) = of(sources([0.01 * count for count in COUNTS], control=False))
    assert found.cells[0].values[2].k == {"original": pytest.approx(0.9), "unlearned": pytest.approx(0.27)}
    assert found.cells[0].values[2].excess is None
    assert found.cells[0].residual.value is not None and found.cells[0].residual.value > 0


def test_twins_stand_for_every_bucket() -> None:
    given = sources([0.3] * N, control=False)
    twins = [Example(f"t{i}", "?", "a", group=f"t{i}") for i in range(60)]
    stand_in = Seen({"twins": {"probability": [0.1] * 60}}, {})
    given = replace(given, sets={**given.sets, "twins": twins}, control="twins", stand_in=stand_in)
    (found,) = of(given)
    assert [v.excess for v in found.cells[0].values] == [pytest.approx(0.2)] * 3
    assert found.cells[0].residual.value == pytest.approx(0)


def test_membership_is_an_auc_in_each_bucket() -> None:
    loss = lambda frequent: [-1.0 if count > 3 and frequent else 1.0 + i % 7 for i, count in enumerate(COUNTS)]
    outside = [0.5 + i % 7 for i in range(60)]
    models = {
        "original": Seen({"forget": {"loss": [-1.0] * N}, "holdout": {"loss": outside}}),
        "unlearned": Seen({"forget": {"loss": loss(True)}, "holdout": {"loss": outside}}),
        "retrained#0": Seen({"forget": {"loss": loss(False)}, "holdout": {"loss": outside}}),
    }
    sets = {"forget": EXAMPLES, "holdout": [Example(f"h{i}", "?", "a", group=f"h{i}") for i in range(60)]}
    given = Sources(models, sets, "forget", ("forget",), control="retrained models")
    (cell,) = of(given)[0].cells
    assert [v.k["original"] for v in cell.values] == [1.0, 1.0, 1.0]
    assert cell.values[0].excess == 0.0 and cell.values[2].k["unlearned"] == 1.0
    assert cell.residual.value is not None and cell.residual.value > 0.2


def test_a_few_holdout_groups_allow_no_interval() -> None:
    values = {"forget": {"loss": [-1.0 - i % 5 for i in range(N)]}, "holdout": {"loss": [0.0, 1.0, 2.0] * 4}}
    models = {name: Seen(values) for name in ("original", "unlearned", "retrained#0")}
    sets = {"forget": EXAMPLES, "holdout": [Example(f"h{i}", "?", "a", group=f"h{i % 4}") for i in range(12)]}
    given = Sources(models, sets, "forget", ("forget",), control="retrained models")
    scored = [replace(each, original=few(each.original), unlearned=few(each.unlearned)) for each in scored_cells(given)]
    (cell,) = strata_of(scored, given, draws_of(given, draws=500, seed=0))[0].cells
    assert all(v.excess_interval is None and not any(v.intervals["original"] or ()) for v in cell.values)
    assert cell.residual.interval is None


def few(sample: Sample) -> Sample:
    """Its control in four groups, which `groups_of` takes apart."""
    return replace(sample, control_groups=tuple(f"id h{i % 4}" for i in range(12)))


def two(said: list[float], asked: list[float], **more: list[float]) -> Sources:
    before = {"generated_contains": [1.0] * N, "probability": [0.9] * N, "truth_ratio": [0.9] * N}
    after = {"generated_contains": said, "probability": asked, "truth_ratio": [0.9] * N, **more}
    models = {"original": Seen({"forget": before}), "unlearned": Seen({"forget": after})}
    return Sources(models, {"forget": EXAMPLES}, "forget", ("forget",))


def test_saying_and_finding_likely() -> None:
    """Nothing is said any more; the answer stays likely where it was frequent."""
    found = misaligned(two([0.0] * N, [0.8 if count > 3 else 0.1 for count in COUNTS]))
    told = {(each.test, each.bucket): (each.n, each.M, each.D) for each in found}
    assert told["probability", ""] == (N, 0.5, 0.5)
    assert told["probability", "low"] == (120, 0.0, 0.0)
    assert told["probability", "high"] == (60, 1.0, 1.0)
    assert told["truth_ratio", ""] == (N, 1.0, 1.0)
    assert len(told) == 8
    (every, *_) = found  # each person has facts of every count: draws of persons are all alike
    assert every.M_interval == every.D_interval == (0.5, 0.5)
    (every, *_) = misaligned(two([0.0] * N, [0.8] * (N // 2) + [0.1] * (N // 2)))
    assert every.M_interval is not None and every.M_interval[0] < 0.45 < 0.55 < every.M_interval[1]


def test_the_correlation_is_of_losses_and_not_of_ones_and_noughts() -> None:
    """Nothing passes after, so that φ has no spread; the two fall together."""
    graded = [0.4 if i % 2 else 0.1 for i in range(N)]
    (one, *_) = misaligned(two(graded, [value - 0.05 for value in graded]))
    assert (one.M, one.D, one.phi) == (0.0, 0.0, None) and one.correlation == pytest.approx(1)


def test_under_twenty_nothing_is_said() -> None:
    given = two([0.0] * N, [0.0] * N)
    models = {**given.models}
    known = [1.0] * 19 + [0.0] * (N - 19)
    models["original"] = Seen({"forget": {"generated_contains": known, "probability": [0.9] * N}})
    assert misaligned(replace(given, models=models)) == ()


def test_the_true_false_test_is_passed_with_both_statements() -> None:
    given = two([0.0] * N, [0.0] * N)
    finding = lambda score: {"true_false:shots=4": [Finding((score,) * 100, rows=tuple(range(100)))]}
    models = {
        "original": replace(given.models["original"], findings=finding(1.0)),
        "unlearned": replace(given.models["unlearned"], findings=finding(0.5)),
    }
    found = misaligned(replace(given, models=models))
    told = {(each.test, each.bucket): (each.n, each.probability, each.M) for each in found}
    assert told["true_false", ""] == (100, 1.0, 0.0)  # half right is what always saying True gives: not passed
