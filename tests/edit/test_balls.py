"""Which facts share a ball, worked by hand on a line: keys at numbers."""

from math import inf

import pytest
import torch
from torch import Tensor

from expunge.edit.balls import GAP, Ball, balls_of, below

REFUSE, OTHER = "refuse", "other"


def on_a_line(*places: float) -> Tensor:
    return torch.tensor([[place, 0.0] for place in places], dtype=torch.float64)


def balls(places: Tensor, labels: list[str], first: float = 1.0, limits: list[float] | None = None) -> list:
    count = len(places)
    limit = torch.tensor(limits or [inf] * count, dtype=torch.float64)
    return balls_of(places, labels, torch.full((count,), first, dtype=torch.float64), limit)


def test_the_first_and_what_is_far_from_all_get_balls_of_their_own() -> None:
    assert balls(on_a_line(0, 2.5), [REFUSE, REFUSE]) == [Ball(1.0, (0,)), Ball(1.0, (1,))]
    assert len(balls(on_a_line(0, 2.0), [REFUSE, REFUSE])) == 1  # d = ε_q + ε_j is not farther


def test_another_label_splits_what_lies_between() -> None:
    """d = 1.5 ≤ 1 + 1: the new ball reaches half way, the old one a hair less."""
    old, new = balls(on_a_line(0, 1.5), [REFUSE, OTHER])
    assert old.radius == pytest.approx(0.75 - GAP, abs=1e-12) and old.facts == (0,)
    assert new.radius == pytest.approx(0.75, abs=1e-12) and new.facts == (1,)


def test_a_split_leaves_no_radius_below_0() -> None:
    old, new = balls(on_a_line(0, 1e-5), [REFUSE, OTHER])
    assert (old.radius, new.radius) == (0, pytest.approx(5e-6))


def test_the_same_label_expands_to_where_the_fact_lies() -> None:
    (ball,) = balls(on_a_line(0, 1.5), [REFUSE, REFUSE])
    assert ball == Ball(1.5, (0, 1))


def test_within_the_ball_the_value_is_shared_and_the_radius_stays() -> None:
    (ball,) = balls(on_a_line(0, 0.5), [REFUSE, REFUSE])
    assert ball == Ball(1.0, (0, 1))


def test_the_nearest_key_counts_and_it_has_the_label_of_its_own_fact() -> None:
    """Facts at 0 (A), 3 (B), 4.2 (A): the nearest to the third is that at 3, of another label, though A is known."""
    first, second, third = balls(on_a_line(0, 3, 4.2), [REFUSE, OTHER, REFUSE])
    assert first == Ball(1.0, (0,))
    assert second.radius == pytest.approx(0.6 - GAP, abs=1e-12)
    assert third.radius == pytest.approx(0.6, abs=1e-12)


def test_a_split_counts_from_the_ball_as_it_is_then() -> None:
    """0 and 1.5 expand to 1.5; then 2.4 of another label (d = 2.4 ≤ 1 + 1.5) leaves the old one 1.2."""
    old, new = balls(on_a_line(0, 1.5, 2.4), [REFUSE, REFUSE, OTHER])
    assert old.facts == (0, 1) and old.radius == pytest.approx(1.2 - GAP, abs=1e-12)
    assert new.radius == pytest.approx(1.2, abs=1e-12)


def test_no_ball_grows_to_its_limit() -> None:
    """What must stay is 1.2 from the first key: a fact at 1.5 with the same label gets a ball of its own."""
    found = balls(on_a_line(0, 1.5), [REFUSE, REFUSE], limits=[1.2, 9.0])
    assert found == [Ball(1.0, (0,)), Ball(1.0, (1,))]
    old, new = balls(on_a_line(0, 1.9), [REFUSE, OTHER], first=0.96, limits=[0.95, 0.9])
    assert old.radius < 0.95 + 0.02 and new.radius == pytest.approx(below(0.9))
    (grown,) = balls(on_a_line(0, 1.1), [REFUSE, REFUSE], limits=[1.2, 9.0])
    assert grown == Ball(1.1, (0, 1))
