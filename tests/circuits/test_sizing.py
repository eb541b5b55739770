"""The smallest circuit that is faithful enough, on made-up curves."""

import pytest
import torch

from expunge.circuits.sizing import largest, smallest

SCORES = torch.tensor([[0.9, 0.5, -0.4], [0.7, 0.0, 0.3], [0.1, 0.2, 0.05]])


def measure(chosen: torch.Tensor) -> tuple[float, float]:
    """Every edge recovers its score."""
    told = float(SCORES[chosen].sum()) / 2.75
    return told, 1 - told


@pytest.mark.parametrize(("target", "edges"), [(0.3, 1), (0.5, 2), (0.75, 3), (0.8, 4), (0.9, 5), (1.0, 7)])
def test_no_edge_too_many(target: float, edges: int) -> None:
    found = smallest(SCORES, measure, target=target - 1e-6, halvings=9)
    assert int(found.chosen.sum()) == edges and found.reached and found.recovered >= target - 1e-6
    order = sorted((float(each) for each in SCORES.flatten()), reverse=True)
    assert found.threshold == order[edges - 1] and bool((SCORES[found.chosen] >= found.threshold).all())
    sizes = [point.edges for point in found.points]
    assert sizes == sorted(set(sizes)) and edges in sizes
    assert all(point.recovered + point.divergence == pytest.approx(1) for point in found.points)


def test_what_cannot_be_reached_says_so() -> None:
    found = smallest(SCORES, measure, target=2.0)
    assert not found.reached and int(found.chosen.sum()) == 7  # those with a positive score
    assert found.recovered == pytest.approx(1)
    nothing = smallest(-SCORES.abs(), measure, target=0.5)
    assert not nothing.reached and int(nothing.chosen.sum()) == 0 and nothing.points == ()
    assert nothing.recovered == 0.0


def test_a_size_that_is_given() -> None:
    """It is reached, or not, as any other."""
    for target, reached in ((0.9, True), (0.99, False)):
        found = largest(SCORES, measure, edges=5, target=target)
        assert int(found.chosen.sum()) == 5 and [point.edges for point in found.points] == [1, 2, 4, 5]
        assert found.recovered == found.points[-1].recovered and found.reached == reached
