"""AUC, ROC and intervals of membership inference, by brute force and at the ends of the scale."""

from itertools import product

import numpy as np
import pytest

from expunge.errors import RunError
from expunge.evaluate.interval import Resampling
from expunge.evaluate.membership import membership, reference_scores

RANDOM = np.random.default_rng(0)
FORGET = [round(x, 1) for x in RANDOM.normal(0, 1, 37)]  # rounded: there are ties
HOLDOUT = [round(x, 1) for x in RANDOM.normal(0.6, 1, 120)]


def brute(forget: list[float], holdout: list[float]) -> float:
    return float(np.mean([1.0 if h > f else 0.5 if h == f else 0.0 for f, h in product(forget, holdout)]))


def test_auc_counts_pairs_and_half_of_the_ties() -> None:
    assert len(set(FORGET) & set(HOLDOUT)) > 3
    found = membership(FORGET, HOLDOUT)
    assert found.auc.value == pytest.approx(brute(FORGET, HOLDOUT), abs=1e-12)
    assert found.auc.per_example == pytest.approx([brute([f], HOLDOUT) for f in FORGET])
    xs, ys = np.array(found.roc).T
    assert np.trapezoid(ys, xs) == pytest.approx(found.auc.value)
    assert found.roc[0] == (0.0, 0.0) and found.roc[-1] == (1.0, 1.0)


def test_direction() -> None:
    """A lower score is more of a member; 1 tells all, 1/2 nothing, 0 gives it away as well."""
    assert membership([0.1, 0.2], [1.0, 2.0]).auc.value == 1.0
    assert membership([1.0, 2.0], [0.1, 0.2]).auc.value == 0.0
    assert membership([1.0] * 3, [1.0] * 3).auc.value == 0.5
    assert membership(FORGET, FORGET).auc.value == pytest.approx(0.5)
    assert membership([-np.inf], [0.0, np.inf]).auc.value == 1.0


def test_true_positives_at_one_percent_need_a_hundred_holdout_examples() -> None:
    found = membership(FORGET, HOLDOUT)
    allowed = sorted(HOLDOUT)[1]  # one of 120 may be below the threshold
    assert found.tpr_at_1_fpr == pytest.approx(np.mean([f < allowed for f in FORGET]))
    few = membership(FORGET, HOLDOUT[:99])
    assert few.tpr_at_1_fpr is None
    assert "99 holdout examples are too few" in few.auc.note
    assert membership([0.0] * 5, [1.0] * 100).tpr_at_1_fpr == 1.0


def test_the_interval_covers_and_does_not_depend_on_the_order() -> None:
    found = membership(FORGET, HOLDOUT).auc
    assert found.interval is not None
    low, high = found.interval
    assert 0 < low < found.value < high < 1
    assert membership(FORGET[::-1], HOLDOUT[::-1]).auc.interval == found.interval
    # the standard error of an AUC by DeLong et al. 1988
    parts = found.per_example, [brute(FORGET, [h]) for h in HOLDOUT]
    error = sum(np.var(each, ddof=1) / len(each) for each in parts) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_groups_are_drawn_whole() -> None:
    groups = Resampling(groups=tuple(f"g{i // 10}" for i in range(40)))
    forget = [float(i // 10) + 0.01 * i for i in range(40)]
    holdout = [1.5 + 0.1 * i for i in range(40)]
    single, grouped = membership(forget, holdout).auc, membership(forget, holdout, groups, groups).auc
    assert single.value == grouped.value
    assert single.interval is not None and grouped.interval is not None
    assert np.ptp(grouped.interval) > 1.5 * np.ptp(single.interval)
    assert "bootstrap over 4 and 4 groups" in grouped.note
    order = RANDOM.permutation(40)
    shuffled = Resampling(groups=tuple(groups.groups[i] for i in order))  # type: ignore[index]
    other = membership([forget[i] for i in order], [holdout[i] for i in order], shuffled, shuffled).auc
    assert other.interval == grouped.interval
    one = Resampling(groups=("g",) * 40)
    assert membership(forget, holdout, one).auc.interval is None


def test_all_or_nothing_is_no_point_interval() -> None:
    found = membership([0.0] * 15, [1.0] * 20).auc
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(0.025 ** (1 / 15))
    assert found.interval[1] == 1.0


def test_what_cannot_be_compared() -> None:
    with pytest.raises(RunError, match="forget example 1"):
        membership([0.0, float("nan")], [1.0])
    with pytest.raises(ValueError, match="holdout"):
        membership([0.0], [])
    with pytest.raises(ValueError, match="groups"):
        membership([0.0, 1.0], [1.0, 2.0], Resampling(groups=("a",)))


def test_reference_scores_take_away_what_is_hard_for_both() -> None:
    assert reference_scores([2.0, 3.0], [2.5, 1.0]) == [-0.5, 2.0]
    assert membership(reference_scores([2.0], [2.5]), reference_scores([1.0], [1.0])).auc.value == 1.0
    with pytest.raises(ValueError, match="argument"):
        reference_scores([1.0], [])
