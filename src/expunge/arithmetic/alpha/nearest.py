"""Nearest to never-known under a utility floor.

    α = argmin |F(α) - F_never|   over candidates with U(α) ≥ floor · U_start that do not overshoot

F, U: levels of the forget set and of one half of the retain set. Without a never-known level the smallest α that
reaches 90 % of the largest gain is taken, and called reference-free. Not the paper's (a reconstruction of what its
authors ask for).
"""

from expunge.arithmetic.alpha import selectors
from expunge.arithmetic.alpha.candidates import nearest_of
from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal


@selectors.add("nearest")
def nearest(curve: Curve, goal: Goal) -> Chosen:
    """The default."""
    return nearest_of(curve, goal)
