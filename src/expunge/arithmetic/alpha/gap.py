"""The widest gap between related and unrelated knowledge.

    α = argmax Δ_related(α) - λ · Δ_unrelated(α)      Δ: rise of the mean NLL over that of θ_un

under the utility floor. Related is what should go with the forget set but does not stand in it (a set that the user
gives); unrelated is another set, or the retain set. Not the paper's; it is what the paper's diagnosis asks for.
"""

from expunge.arithmetic.alpha import selectors
from expunge.arithmetic.alpha.candidates import candidates, failed, picked
from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal, Point


@selectors.add("gap", related=True)
def gap(curve: Curve, goal: Goal) -> Chosen:
    """Needs a related set."""
    found = candidates(curve, goal)
    if not found:
        return failed(curve, goal)
    zero = curve(0.0)

    def score(point: Point) -> float:
        assert point.related is not None and zero.related is not None
        rise = point.related - zero.related
        if point.unrelated is None or zero.unrelated is None:
            return rise
        return rise - goal.weight * (point.unrelated - zero.unrelated)

    best = max(found, key=lambda point: (score(point), -abs(point.alpha)))
    why = f"related knowledge lost most beyond unrelated ({score(best):+.3g} nats per token)"
    return picked(best, why, curve, goal)
