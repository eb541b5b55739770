"""Whether the floor holds on the other half, on levels whose answer is known by hand."""

import torch

from expunge.arithmetic.alpha.margin import margin
from expunge.studies.uipe.promise import AT, CUTS, chosen, promised

GROUPS = [f"person {i // 2}" for i in range(40)]  # 20 persons of two rows
FALLING = torch.tensor(AT)  # the forget level is 1 - α: never-known 0 is reached at the last α
BACK = len([alpha for alpha in AT if alpha < 0])


def asked(levels: torch.Tensor, start: torch.Tensor, never: float = 0.0, floor: float = 0.9) -> dict:
    return promised(levels, start, 1 - FALLING, never, GROUPS, floor, seed=0)


def test_where_all_rows_lose_alike_every_half_tells_of_every_other() -> None:
    """At α .5 all have lost a tenth: the floor is reached, without any margin, in both halves."""
    levels = (1 - 0.2 * FALLING)[:, None].expand(-1, len(GROUPS))
    found = asked(levels, torch.ones(len(GROUPS)))
    assert found == {"cuts": CUTS, "held": CUTS, "further": CUTS, "held further": CUTS}


def test_never_known_ends_the_line() -> None:
    """It is reached at α = 0 already, where the level is 1: nothing is gone on with."""
    levels = (1 - 0.01 * FALLING)[:, None].expand(-1, len(GROUPS))
    assert asked(levels, torch.ones(len(GROUPS)), never=1.0)["further"] == 0
    assert asked(levels, torch.ones(len(GROUPS)), never=0.5)["further"] == CUTS


def test_cuts_that_break_the_floor_at_once_choose_nothing() -> None:
    levels = torch.full((len(AT), len(GROUPS)), 0.5)
    assert asked(levels, torch.ones(len(GROUPS)))["cuts"] == 0


def test_the_largest_alpha_with_the_margin_is_chosen() -> None:
    """Of three α the second keeps .96 ± a little; the last .93 ± more than it may."""
    even = torch.arange(40) % 4 < 2
    levels = torch.stack([torch.ones(40), torch.where(even, 0.95, 0.97), torch.where(even, 0.76, 1.1)]).double()
    start = torch.ones(40)
    assert levels[2].mean() > 0.9 > levels[2].mean() - margin(levels[2], start, 0.9, GROUPS)
    assert chosen(levels, start, GROUPS, 0.9) == 1
    assert chosen(levels[:1], start, GROUPS, 0.9) == 0
    assert chosen(levels[2:], start, GROUPS, 0.9) is None


def test_where_all_of_the_change_costs_too_much_a_part_is_taken_back() -> None:
    """All rows lose alike, a fifth with the whole change: half of it is too much by nothing, and every half says so."""
    levels = (1 - 0.2 * (1 + FALLING))[:, None].expand(-1, len(GROUPS))
    assert asked(levels, torch.ones(len(GROUPS))) == {"cuts": CUTS, "held": CUTS, "further": 0, "held further": 0}


def test_few_rows_that_lose_much_break_some_other_halves() -> None:
    """One person of twenty loses nearly all: the half without him sees no loss and goes to the end, the other pays."""
    levels = torch.ones(len(AT), len(GROUPS))
    levels[:, :2] = (1 - FALLING)[:, None]
    found = asked(levels, torch.ones(len(GROUPS)), floor=0.95)
    assert found["cuts"] == CUTS and found["held"] == CUTS - found["further"] + found["held further"]
    assert 0.35 * CUTS < found["held"] < 0.65 * CUTS
