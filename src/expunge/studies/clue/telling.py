"""Can what was unlearnt be told from what was never seen? Membership inference by the loss (`evaluate/membership.py`).

The forget rows stand against never-seen twins, which are made as they are, else against the holdout set. An AUC of 1/2
is never-known; one near 1 says that the facts are still known, one near 0 that they were pushed below what a model says
of strangers, which gives them away as well.
"""

from collections.abc import Sequence
from typing import Any

from expunge.data.example import Example
from expunge.evaluate.loss import loss
from expunge.evaluate.membership import membership
from expunge.evaluate.observations import observe
from expunge.studies.clue.scene import FORGET, Scene
from expunge.studies.people import BUDGET

DIGITS = 4


def told_apart(scene: Scene) -> dict[str, Any]:
    """AUC, its ROC curve, and the true positives at 1 % false ones where there are controls enough."""
    found = membership(_losses(scene, scene.groups[FORGET]), _losses(scene, scene.controls))
    return {
        "auc": found.auc.value, "tpr": found.tpr_at_1_fpr, "controls": len(scene.controls),
        "roc": [[round(false, DIGITS), round(hit, DIGITS)] for false, hit in found.roc],
    }  # fmt: skip


def _losses(scene: Scene, rows: Sequence[Example]) -> Sequence[float]:
    seen = observe(scene.model, rows, scene.encoder, {"answer_logprobs"}, budget=BUDGET)
    return loss([each.log_probs for each in seen.right]).per_example


def mean_roc(curves: Sequence[Sequence[Sequence[float]]], steps: int = 50) -> list[tuple[float, float]]:
    """The mean of several, of the true positives at each share of false ones.

    >>> mean_roc([[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], [(0.0, 0.0), (1.0, 1.0)]], steps=2)
    [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)]
    """
    places = [i / steps for i in range(steps + 1)]
    return [(place, sum(_at(curve, place) for curve in curves) / len(curves)) for place in places if curves]


def _at(curve: Sequence[Sequence[float]], place: float) -> float:
    """The highest point there, else on the straight line between both neighbours, as the AUC counts what is equal."""
    below = [(false, hit) for false, hit in curve if false <= place]
    (a, b), (x, y) = below[-1], curve[min(len(below), len(curve) - 1)]
    return b if place == a or x == a else b + (y - b) * (place - a) / (x - a)
