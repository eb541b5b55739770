"""How many edges: the faithfulness of a circuit against its size, and the smallest that is faithful enough.

    recovered(k) = (M(the k edges with the highest scores, all others patched) - M(other)) / (M(base) - M(other))

Sizes grow by a factor along a grid until the target is reached; then the step between the last two sizes is halved, on
a logarithmic scale, as often as asked. An edge counts only with a positive score, so the target may be out of reach:
of inputs that stand in for one another none is missed alone. All of them score 0, and nothing chooses between them
(noising on an OR, denoising on an AND).

Deviation: the text minimizes KL(p_G ‖ p_C) at a share of edges that is given; here the share follows from a
faithfulness that is given, and the KL is reported beside it.
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
    """The chosen edges, the lowest score among them, the curve, and what the chosen ones recover."""

    chosen: Bool[Tensor, "writers readers"]
    threshold: float
    points: tuple[Point, ...]  # by size
    recovered: float
    target: float

    @property
    def reached(self) -> bool:
        """Whether the chosen edges recover the target."""
        return self.recovered >= self.target


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
    return _sized(scores, order[: high or len(order)], known, target)


def largest(scores: Float[Tensor, "writers readers"], measure: Measure, *, edges: int, target: float) -> Sized:
    """So many edges, or all that have a positive score, with the curve up to there, whether they recover it or not."""
    order = _order(scores)[:edges]
    known = {size: Point(size, *measure(_top(scores, order[:size]))) for size in _grid(len(order))}
    return _sized(scores, order, known, target)


def _sized(scores: Tensor, order: Tensor, known: dict[int, Point], target: float) -> Sized:
    points = tuple(known[size] for size in sorted(known))
    if not len(order):
        return Sized(_top(scores, order), 0.0, points, 0.0, target)
    return Sized(_top(scores, order), float(scores.flatten()[order[-1]]), points, known[len(order)].recovered, target)


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
