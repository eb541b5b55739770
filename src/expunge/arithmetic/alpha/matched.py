"""Matched to the reference: the whole distribution of forget likelihoods, not their mean.

    α = argmin D(α) = argmax p(α)      D: Kolmogorov-Smirnov distance between the mean log-probabilities per token of
                                       the forget set at α and those of a model that never knew it

under the utility floor. Going beyond never-known lowers p as falling short of it does. The numbers of values are the
same at every α, so the smallest distance is the largest p. Not the paper's.
"""

from bisect import bisect_left
from typing import Any

from expunge.arithmetic.alpha import selectors
from expunge.arithmetic.alpha.candidates import candidates, failed, picked
from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal, Point


@selectors.add("matched", never=True)
def matched(curve: Curve, goal: Goal) -> Chosen:
    """Needs a never-known level; the best point of the grid is refined between its neighbours."""
    from scipy.stats import ks_2samp

    assert goal.never is not None
    known = goal.never.logs

    def test(point: Point) -> Any:  # asymptotic: the exact form fails where the samples hardly differ
        return ks_2samp(point.logs, known, method="asymp")

    def distance(point: Point) -> tuple[float, float]:
        """Among equals, as where both lie wholly apart, the nearest to the change itself."""
        return float(test(point).statistic), abs(point.alpha)

    found = candidates(curve, goal)
    if not found:
        return failed(curve, goal)
    best = min(found, key=distance)
    for _ in range(goal.halvings):
        around = [curve(alpha) for alpha in _between(curve, best)]
        best = min([best, *filter(goal.admits, around)], key=distance)
    p = test(best).pvalue
    return picked(best, f"likelihoods nearest to those of the {goal.never.source} (KS p = {p:.2g})", curve, goal)


def _between(curve: Curve, point: Point) -> list[float]:
    """The middles of the intervals at both sides of a point."""
    alphas = [each.alpha for each in curve.points]
    at = bisect_left(alphas, point.alpha)
    near = alphas[max(0, at - 1) : at] + alphas[at + 1 : at + 2]
    return [(point.alpha + other) / 2 for other in near]
