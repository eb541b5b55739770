"""How many edges: the faithfulness of a circuit against its size, and the smallest that is faithful enough.

    recovered(k) = (M(the k edges with the highest scores, all others patched) - M(other)) / (M(base) - M(other))

Sizes grow by a factor along a grid until the target is reached; then the step between the last two sizes is halved, on
a logarithmic scale, as often as asked. An edge counts only with a positive score. Deviation: the text minimizes
KL(p_G ‖ p_C) at a share of edges that is given; here the share follows from a faithfulness that is given, and the KL is
reported beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log, sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

GROWTH = 2.0


@dataclass(frozen=True)
class Point:
    """One size of a circuit."""

    edges: int
    recovered: float
    divergence: float  # mean KL, in nats


@dataclass(frozen=True)
class Sized:
    """The chosen edges, the lowest score among them, and the curve."""

    chosen: Bool[Tensor, "writers readers"]
    threshold: float
    points: tuple[Point, ...]  # by size
    reached: bool  # the target


Measure = Callable[[Bool[Tensor, "writers readers"]], tuple[float, float]]


def smallest(scores: Float[Tensor, "writers readers"], measure: Measure, *, target: float, halvings: int = 3) -> Sized:
    """The fewest edges that recover the target; all with a positive score if none do."""
    order = _order(scores)
    known: dict[int, Point] = {}

    def at(size: int) -> Point:
        if size not in known:
            known[size] = Point(size, *measure(_top(scores, order[:size])))
        return known[size]

    low, high = 0, 0
    for size in _grid(len(order)):
        if at(size).recovered >= target:
            high = size
            break
        low = size
    for _ in range(halvings):
        middle = round(sqrt(max(1, low) * high)) if high else 0
        if low < middle < high:
            low, high = (low, middle) if at(middle).recovered >= target else (middle, high)
    return _sized(scores, order[: high or len(order)], known, bool(high))


def largest(scores: Float[Tensor, "writers readers"], measure: Measure, *, edges: int) -> Sized:
    """So many edges, or all that have a positive score, with the curve up to there."""
    order = _order(scores)[:edges]
    known = {size: Point(size, *measure(_top(scores, order[:size]))) for size in _grid(len(order))}
    return _sized(scores, order, known, True)


def _sized(scores: Tensor, order: Tensor, known: dict[int, Point], reached: bool) -> Sized:
    threshold = float(scores.flatten()[order[-1]]) if len(order) else 0.0
    points = tuple(known[size] for size in sorted(known))
    return Sized(_top(scores, order), threshold, points, reached)


def _grid(edges: int) -> list[int]:
    """Whole sizes from 1 on, each about GROWTH times the one before, and the last."""
    steps = ceil(log(edges) / log(GROWTH)) if edges > 1 else 0
    return sorted({*(round(GROWTH**i) for i in range(steps)), edges}) if edges else []


def _order(scores: Tensor) -> Tensor:
    """Edges with a positive score, the highest first; equals as they come in the network."""
    flat = scores.flatten()
    order = flat.sort(descending=True, stable=True).indices
    return order[: int((flat > 0).sum())]


def _top(scores: Tensor, order: Tensor) -> Bool[Tensor, "writers readers"]:
    chosen = torch.zeros(scores.numel(), dtype=torch.bool)
    chosen[order] = True
    return chosen.view(scores.shape)
