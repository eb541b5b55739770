"""Cells, families, rate and ceiling: hand-worked statuses, and how often simulated models get which."""

from dataclasses import replace

import numpy as np
import pytest

from expunge.audit.draws import Draws, Sample
from expunge.audit.never_knew import Scored, ceiling, families, judge, rate
from expunge.errors import RunError
from expunge.record_audit import FamilyResult

PER, GROUPS = 4, 50
NAMES = tuple(f"g{i}" for i in range(GROUPS) for _ in range(PER))


def flat(value: float) -> Sample:
    return Sample((value,) * (PER * GROUPS), NAMES)


def cell(o: float, u: float, r: tuple[float, ...], family: str = "form") -> Scored:
    return Scored("attack", family, flat(o), flat(u), {f"retrained#{i}": flat(each) for i, each in enumerate(r)})


def status(o: float, u: float, *r: float, delta: float = 0.2) -> str:
    return judge(cell(o, u, r), Draws({"forget": NAMES}, draws=200), delta).status


def test_statuses_by_hand() -> None:
    """All models are certain: 50 groups leave room for 1 - 0.05 ** (1/50) = 5.8 %."""
    assert status(1.0, 0.1, 0.1) == "never-knew"
    assert status(1.0, 0.2, 0.1) == "never-knew"  # 0.10 + 0.058 < 0.2 × 0.9
    assert status(1.0, 0.25, 0.1) == "unresolved"  # 0.15 ± 0.058 holds 0.18
    assert status(1.0, 0.4, 0.1) == "known"
    assert status(1.0, 0.2, 0.5) == "over-forgotten"  # 0.3 below, and 0.2 × 0.5 + 0.058 are allowed
    assert status(0.2, 0.9, 0.12) == "uninformative"


def test_delta_is_a_share_of_the_gap() -> None:
    assert status(1.0, 0.3, 0.1, delta=0.2) == "unresolved"  # 0.2 ± 0.058 holds 0.18
    assert status(1.0, 0.3, 0.1, delta=0.1) == "known"
    assert status(1.0, 0.3, 0.1, delta=0.5) == "never-knew"


def test_numbers_of_a_cell() -> None:
    result = judge(cell(0.9, 0.3, (0.1, 0.2)), Draws({"forget": NAMES}, draws=400))
    assert result.gap == pytest.approx(0.75) and result.excess == pytest.approx(0.15)
    assert result.gap_lower == pytest.approx(0.7)  # against the retrained model that knows most
    assert result.excess_bounds == pytest.approx((0.1, 0.2))


def test_a_wide_interval_cannot_pass() -> None:
    """Five groups, models that look alike: too few to say so."""
    names = ("a", "b", "c", "d", "e")
    one, other = Sample((0.0, 0.6, 0.1, 0.5, 0.3), names), Sample((0.5, 0.1, 0.6, 0.0, 0.3), names)
    few = Scored("attack", "form", Sample((0.9, 1.0, 0.9, 1.0, 0.9), names), one, {"retrained#0": other})
    assert judge(few, Draws({"forget": names})).status == "unresolved"


@pytest.mark.parametrize("who", ["the unlearned model", "retrained#1", "the original"])
def test_a_score_that_is_no_number_leaves_nothing_to_judge(who: str) -> None:
    """Its draws would be left out, and the other models would decide."""
    broken = Sample((float("nan"), *(0.1,) * (PER * GROUPS - 1)), NAMES)
    pick = lambda label, level: broken if label == who else flat(level)
    controls = {label: pick(label, 0.1) for label in ("retrained#0", "retrained#1")}
    with pytest.raises(RunError, match=f"relearn, probability: a score of {who} is not a number"):
        Scored("relearn", "relearning", pick("the original", 1.0), pick("the unlearned model", 0.4), controls,
               part="probability")  # fmt: skip


def test_infinite_membership_scores_can_be_compared() -> None:
    outside = tuple(f"h{i}" for i in range(len(NAMES)))
    auc = lambda score: Sample((score,) * len(NAMES), NAMES, (0.0,) * len(NAMES), outside)
    made = Scored("loss", "membership", auc(1.0), auc(float("-inf")), {"retrained#0": auc(0.0)})
    assert judge(made, Draws({"forget": NAMES, "holdout": outside}, draws=100)).status == "over-forgotten"


def test_rate_is_the_mean_over_families() -> None:
    found = families([("form", "never-knew"), ("form", "known"), ("form", "uninformative"), ("prefix", "never-knew"),
                      ("sampling", "uninformative")])  # fmt: skip
    assert found["form"] == FamilyResult(informative=2, passed=1, known=1, uninformative=1)
    assert rate(found) == pytest.approx((0.5 + 1) / 2)  # sampling has nothing to say
    assert rate({"sampling": found["sampling"]}) is None


def test_twins_are_drawn_on_their_own() -> None:
    twins = tuple(f"t{i}" for i in range(60))
    known = Scored("attack", "form", flat(1.0), flat(0.1), {"twins": Sample((0.1,) * 60, twins)}, controls_of="twins")
    draws = Draws({"forget": NAMES, "twins": twins}, draws=200)
    assert judge(known, draws).status == "never-knew"
    assert ceiling([known], draws) is None


def test_ceiling_leaves_each_retrained_model_out() -> None:
    cells = [cell(1.0, 1.0, (0.1, 0.1, 0.1)), cell(1.0, 1.0, (0.1, 0.1, 0.6), "prefix")]
    top = ceiling(cells, Draws({"forget": NAMES}, draws=400))
    assert top is not None and len(top.rates) == 3
    # the third knows half of what the prefix brings out: left out it is "known" there, the others are unresolved
    assert top.rates[2] == pytest.approx(0.5)
    assert top.statuses["known"] == 1 and sum(top.statuses.values()) == 6
    assert ceiling([cell(1.0, 1.0, (0.1,))], Draws({"forget": NAMES})) is None


def test_a_cell_without_one_of_them_counts_for_the_others() -> None:
    """Patching measures by the first retrained model, which is then no control beside the others."""
    patching = cell(1.0, 1.0, (0.1, 0.1, 0.1), "representation")
    patching = replace(patching, controls={k: v for k, v in patching.controls.items() if k != "retrained#0"})
    top = ceiling([cell(1.0, 1.0, (0.1, 0.1, 0.1)), patching], Draws({"forget": NAMES}, draws=200))
    assert top is not None and top.statuses == {"never-knew": 5}


def simulated(excess: float, seed: int, spread: float = 0.02) -> str:
    """Models with effects of persons; retrained models and the unlearned one differ by seed, too."""
    rng = np.random.default_rng(seed)
    person = rng.normal(0, 0.1, GROUPS).repeat(PER)
    model = lambda mean: Sample(tuple(person + mean + rng.normal(0, 0.3, PER * GROUPS)), NAMES)
    retrained = {f"retrained#{i}": model(0.1 + rng.normal(0, spread)) for i in range(3)}
    unlearned = model(0.1 + 0.6 * excess + rng.normal(0, spread))
    made = Scored("attack", "form", model(0.7), unlearned, retrained)
    return judge(made, Draws({"forget": NAMES}, draws=300, seed=seed)).status


@pytest.mark.parametrize(
    ("excess", "wanted", "at_least", "never"),
    [
        (0.0, "never-knew", 0.8, ("known", "over-forgotten")),
        (0.5, "known", 0.9, ("never-knew", "over-forgotten")),
        (-0.5, "over-forgotten", 0.9, ("never-knew", "known")),
    ],
)  # fmt: skip
def test_simulated_models_get_what_they_deserve(
    excess: float, wanted: str, at_least: float, never: tuple[str, ...]
) -> None:
    found = [simulated(excess, seed) for seed in range(60)]
    assert found.count(wanted) >= at_least * 60
    assert all(found.count(each) <= 2 for each in never)


def test_at_the_border_few_pass() -> None:
    """Exactly δ of the gap is left: the test of equivalence passes it about 5 times in 100."""
    found = [simulated(0.2, seed, spread=0.0) for seed in range(200)]
    assert found.count("never-knew") <= 22 and found.count("known") <= 22


def test_one_group_is_never_judged() -> None:
    """Of one group there is nothing to draw: no cell is informative, also where a holdout set has many."""
    one, others = ("a",) * 8, tuple(f"h{i}" for i in range(40))
    auc = lambda shift: Sample(tuple(x + shift for x in range(8)), one, tuple(float(x) for x in range(40)), others)
    made = Scored("loss", "membership", auc(40.0), auc(12.0), {"retrained#0": auc(12.0)})
    draws = Draws({"forget": one, "holdout": others})
    assert judge(made, draws).status == "uninformative"


def test_a_constant_difference_is_not_certain_for_others_sake() -> None:
    """The original's spread must not hide that unlearned and retrained model never differ in ten groups."""
    names = tuple(f"g{i}" for i in range(10))
    original = Sample((0.9, *(1.0,) * 9), names)
    made = Scored("attack", "form", original, Sample((0.0,) * 10, names), {"retrained#0": Sample((0.0,) * 10, names)})
    assert judge(made, Draws({"forget": names})).status == "unresolved"
