"""Balls: which facts share a ball, and how far it reaches. Hartvigsen et al. 2023, arXiv:2211.11031.

For the facts in order, q what the layer reads at the prompt's last token, d and j the distance to the nearest key and
its ball:

    add       no ball yet, or  d > ε_q + ε_j:            (q, new value, ε_q)
    split     else, another label:                       (q, new value, d/2),   ε_j = d/2 - 1e-5
    expand    else, d > ε_j:                             ε_j = d;  the value is fitted further, on this fact
    share     else                                       the value is fitted further

ε_q is the radius of a new ball. Labels are equal if the targets' tokens are (the authors' code compares means of padded
label vectors, in which prompts of another length change the label, and reads labels in another order than keys).
Deviations: no radius is below 0. And where queries have a `limit`, how far it is to what must stay (`reaching.py`; ∞
where radii are given as published), a ball never grows to its key's limit: a fact that it would have to reach beyond
gets a ball of its own, and what a split leaves to ε_j is at most what is below the limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

GAP = 1e-5  # between two balls that were one


@dataclass(frozen=True)
class Ball:
    """Its key is the query of its first fact; its value is fitted on its facts one after the other."""

    radius: float
    facts: tuple[int, ...]


def balls_of(
    queries: Float[Tensor, "facts in"],
    labels: Sequence[str],
    first: Float[Tensor, " facts"],
    limits: Float[Tensor, " facts"],
) -> list[Ball]:
    """The balls in the order in which they were added."""
    found: list[Ball] = []
    for fact in range(len(queries)):
        if not found:
            found.append(Ball(float(first[fact]), (fact,)))
            continue
        keys = queries[[ball.facts[0] for ball in found]].double()
        distances = (keys - queries[fact].double()).norm(dim=1)
        near = int(distances.argmin())
        _meet(found, near, float(distances[near]), fact, labels, first, limits)
    return found


def _meet(
    found: list[Ball], near: int, distance: float, fact: int, labels: Sequence[str], first: Tensor, limits: Tensor
) -> None:  # fmt: skip
    """One fact meets the balls so far."""
    ball, key = found[near], found[near].facts[0]
    if distance > float(first[fact]) + ball.radius:
        found.append(Ball(float(first[fact]), (fact,)))
    elif labels[fact] != labels[key]:
        half = distance / 2
        found[near] = replace(ball, radius=max(0.0, min(half - GAP, max(ball.radius, below(float(limits[key]))))))
        found.append(Ball(min(half, below(float(limits[fact]))), (fact,)))
    elif distance <= ball.radius:
        found[near] = replace(ball, facts=(*ball.facts, fact))
    elif distance < float(limits[key]):
        found[near] = Ball(distance, (*ball.facts, fact))
    else:
        found.append(Ball(float(first[fact]), (fact,)))


def below(limit: float) -> float:
    """The largest radius under a limit.

    >>> below(2.0), below(float("inf"))
    (1.998, inf)
    """
    return limit * 0.999
