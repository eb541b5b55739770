"""From scores to units."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from expunge.errors import ConfigError
from expunge.localize.choosing import highest, share_of

INF = float("inf")


def test_the_highest_win_and_among_equals_the_first() -> None:
    scores, sizes = tensor([0.0, 2.0, 1.0, 2.0, 2.0, -1.0]), torch.ones(6, dtype=torch.long)
    assert highest(scores, sizes, 0.34).nonzero().flatten().tolist() == [1, 3]
    assert highest(scores, sizes, 0.7).nonzero().flatten().tolist() == [1, 2, 3, 4]
    assert highest(scores, sizes, 1.0).all()


def test_a_budget_in_weights() -> None:
    """Of 10 weights 6 may be chosen: the unit of 4, then the one of 2, and not the one of 3 before it."""
    scores, sizes = tensor([1.0, 3.0, 2.0, 0.0]), tensor([3, 4, 2, 1])
    assert highest(scores, sizes, 0.6, of="weights").tolist() == [False, True, True, False]
    assert highest(scores, sizes, 0.89, of="weights").tolist() == [False, True, True, False]
    assert highest(scores, sizes, 0.9, of="weights").tolist() == [True, True, True, False]


def test_what_is_never_chosen() -> None:
    scores, sizes = tensor([-INF, 3.0, -INF, 0.0]), torch.ones(4, dtype=torch.long)
    assert highest(scores, sizes, 0.5).tolist() == [False, True, False, True]
    with pytest.raises(ConfigError, match="3 of 4 units, and 2 can be chosen"):
        highest(scores, sizes, 0.75)


def test_a_budget_in_weights_that_cannot_be_filled() -> None:
    """Of 9 weights 8 are asked for and 3 can be chosen; where the rest would not have fitted, 3 are what fits."""
    scores, sizes = tensor([1.0, -INF, -INF]), tensor([3, 4, 2])
    with pytest.raises(ConfigError, match="leaves 5 weights over when all 1 units"):
        highest(scores, sizes, 0.9, of="weights")
    with pytest.raises(ConfigError, match="leaves 2 weights over"):
        highest(scores, sizes, 5 / 9, of="weights")
    assert highest(scores, sizes, 0.45, of="weights").tolist() == [True, False, False]


@pytest.mark.parametrize("of", ["units", "weights"])
def test_a_budget_of_nothing(of: str) -> None:
    with pytest.raises(ConfigError, match="is 0 of 3 units"):
        highest(tensor([1.0, 2.0, 3.0]), tensor([2, 3, 4]), 0.1, of=of)


def test_scores_that_are_no_numbers() -> None:
    with pytest.raises(ConfigError, match="1 of 2 scores are not numbers"):
        highest(tensor([1.0, float("nan")]), tensor([1, 1]), 0.5)


@pytest.mark.parametrize(
    ("budget", "count", "wanted"), [(0.35, 46_080, 16_128), (0.7, 46_080, 32_256), (0.1, 2_048, 204), (1.0, 7, 7)]
)
def test_a_product_that_is_whole_but_for_rounding(budget: float, count: int, wanted: int) -> None:
    assert share_of(budget, count) == wanted


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.floats(0.05, 1.0))
def test_as_sorting_does(values: list[int], budget: float) -> None:
    wanted = share_of(budget, len(values))
    assert wanted in (int(budget * len(values)), int(budget * len(values)) + 1)
    if not wanted:
        return
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:wanted]
    chosen = highest(tensor(values, dtype=torch.float32), torch.ones(len(values), dtype=torch.long), budget)
    assert chosen.nonzero().flatten().tolist() == sorted(order)
