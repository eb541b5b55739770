"""Membership inference: can the forget set be told from texts of the same kind that were never trained on?

    AUC = (1/(n m)) Σ_i Σ_j ( 1[s(h_j) > s(f_i)] + ½ 1[s(h_j) = s(f_i)] )

s is a score that is higher for what is less of a member (`loss`, `min_k` …), f_i the n forget examples and h_j the m
holdout ones: the chance that a forget example looks more like a member than a holdout one. 1/2 cannot tell; a model
that knows the forget set is near 1, and one that was pushed to find it unlikely below 1/2, which gives it away as
well. Carlini et al. 2022, arXiv:2112.03570, for the true positives at 1 % false positives: only with 100 holdout
examples or more, of which one is then 1 %.

How it misleads: the two sets must be of the same distribution. A difference in topic, length or date is an AUC above
1/2 for a model that never saw either: compare with that of a retrained model (`privleak.py`).

The interval is that of the percentiles of a bootstrap over the groups of both sets, drawn independently. No deviations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from expunge.errors import RunError
from expunge.evaluate.interval import SINGLY, Resampling, all_equal
from expunge.evaluate.metric import Metric

FEW = 100  # holdout examples, below which one of them is more than 1 % of the false positives
SUFFIX = "_auc"
Roc = tuple[tuple[float, float], ...]
READS = (
    "How well this score tells the forget set from the holdout set: the chance that a forget example looks more like "
    "a member. 0.5 cannot tell. It means something only when the two sets are of one kind; the level to compare with "
    "is that of a model that never saw either."
)


@dataclass(frozen=True, slots=True)
class Membership:
    """One score on two sets."""

    auc: Metric  # `per_example`: of each forget example, the share of holdout ones that look less like members
    roc: Roc  # (false positives, true positives), as shares, from (0, 0) to (1, 1)
    tpr_at_1_fpr: float | None  # None: fewer than 100 holdout examples


def membership(
    forget: Sequence[float],
    holdout: Sequence[float],
    resampling: Resampling = SINGLY,
    holdout_resampling: Resampling = SINGLY,
) -> Membership:
    """From the scores of the single examples, higher for what is less of a member.

    >>> membership([1.0, 2.0], [2.0, 3.0]).auc.value  # three pairs won and one tied
    0.875

    Raises RunError for a score that is not a number, ValueError for an empty set.
    """
    members, others = (np.asarray(list(each), dtype=np.float64) for each in (forget, holdout))
    for name, scores in (("forget", members), ("holdout", others)):
        if not len(scores):
            raise ValueError(f"membership needs at least one {name} example")
        if np.isnan(scores).any():
            raise RunError(f"membership: the score of {name} example {int(np.isnan(scores).argmax())} is not a number")
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, members, "left"), np.searchsorted(ordered, members, "right")
    each = 1 - (below + upto) / (2 * len(ordered))
    roc = _roc(members, others)
    rate = max(hit for false, hit in roc if false <= 0.01) if len(others) >= FEW else None
    interval, remark = _interval(members, others, resampling, holdout_resampling)
    notes = [
        f"{rate:.3g} true positives at 1 % false ones" if rate is not None else
        f"{len(others)} holdout examples are too few for true positives at 1 % false ones",
        remark,
    ]  # fmt: skip
    auc = Metric(
        float(np.mean(each)), "higher", tuple(each.tolist()), interval, resampling.level,
        note="; ".join(filter(None, notes)),
    )  # fmt: skip
    return Membership(auc, roc, rate)


def reference_scores(loss: Sequence[float], of_reference: Sequence[float]) -> list[float]:
    """The loss less that of a model that never saw the texts, example by example. Carlini et al. 2021,
    arXiv:2012.07805. What is hard for both models no longer counts.

    >>> reference_scores([1.0, 3.0], [1.5, 3.0])
    [-0.5, 0.0]
    """
    return [own - other for own, other in zip(loss, of_reference, strict=True)]


def reading(metric: Mapping[str, str]) -> dict[str, str]:
    """How to read the AUC of a score, from the reading of the score itself."""
    return {"title": f"{metric['title']}, AUC", "better": "higher", "reads": READS}


def _roc(members: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]) -> Roc:
    """A threshold calls every example with a score up to it a member; equal scores move together."""
    thresholds = np.unique(np.concatenate([members, others]))
    hits = np.searchsorted(np.sort(members), thresholds, "right") / len(members)
    false = np.searchsorted(np.sort(others), thresholds, "right") / len(others)
    return ((0.0, 0.0), *zip(false.tolist(), hits.tolist()))


def _interval(
    members: np.ndarray, others: np.ndarray, ours: Resampling, theirs: Resampling
) -> tuple[tuple[float, float] | None, str]:
    rows, columns = _places(members, ours), _places(others, theirs)
    sizes = np.bincount(rows), np.bincount(columns)
    if min(map(len, sizes)) < 2:
        return None, "one group in one of the sets: no interval"
    won = (others[None] > members[:, None]) + 0.5 * (others[None] == members[:, None])
    table = np.zeros((len(sizes[0]), len(sizes[1])))
    np.add.at(table, (rows[:, None], columns[None]), won)
    if np.ptp(table / np.outer(*sizes)) < 1e-12:
        share = float(table[0, 0] / (sizes[0][0] * sizes[1][0]))
        return all_equal(share, min(map(len, sizes)), "group", ours.level, (0.0, 1.0))
    generator = np.random.default_rng(ours.seed)
    drawn = [generator.multinomial(len(n), np.full(len(n), 1 / len(n)), size=ours.draws) for n in sizes]
    values = ((drawn[0] @ table) * drawn[1]).sum(1) / ((drawn[0] @ sizes[0]) * (drawn[1] @ sizes[1]))
    low, high = np.quantile(values, [(1 - ours.level) / 2, (1 + ours.level) / 2])
    grouped = ours.groups is not None or theirs.groups is not None
    remark = f"bootstrap over {len(sizes[0])} and {len(sizes[1])} groups" if grouped else ""
    return (float(low), float(high)), remark


def _places(scores: np.ndarray, resampling: Resampling) -> np.ndarray:
    """The group of each example, numbered so that the order of the examples cannot change an interval."""
    if resampling.groups is None:
        return np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    if len(resampling.groups) != len(scores):
        raise ValueError(f"{len(resampling.groups)} groups for {len(scores)} examples: each example needs its group")
    return np.unique(np.array(resampling.groups), return_inverse=True)[1]
