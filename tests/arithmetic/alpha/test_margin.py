"""By how much the floor must be held: what is compared, over what, and that another half then holds it, too."""

import numpy as np
import pytest
import torch

from expunge.arithmetic.alpha.margin import doubt, margin, surely

FLOOR = 0.95


def of(values, start, groups=None, floor: float = FLOOR) -> float:
    rows = [str(i) for i in range(len(values))] if groups is None else groups
    return margin(torch.tensor(values), torch.tensor(start), floor, rows)


def test_by_hand() -> None:
    """Differences .05, .15: standard error .05, and t of one degree of freedom is 6.3138."""
    assert of([1.0, 0.6], [1.0, 0.5], floor=0.9) == pytest.approx(6.3138 * 2**0.5 * 0.025, rel=1e-4)
    assert of([0.5, 0.6], [0.5, 0.5], floor=0.9) == pytest.approx(6.3138 * 2**0.5 * 0.05, rel=1e-4)
    # the same in groups of two equal rows, whose sizes are the same: nothing changes
    twice = of([0.5, 0.5, 0.6, 0.6], [0.5] * 4, ["a", "a", "b", "b"], floor=0.9)
    assert twice == pytest.approx(of([0.5, 0.6], [0.5, 0.5], floor=0.9))
    # groups of one and three rows: mean .575, sums of deviations -.075 and .075, error √2 · √(2 · .075²) / 4
    uneven = of([0.5, 0.6, 0.6, 0.6], [0.0] * 4, ["a", "b", "b", "b"], floor=0.9)
    assert uneven == pytest.approx(6.3138 * 2**0.5 * 2**0.5 * (2 * 0.075**2) ** 0.5 / 4, rel=1e-4)


def test_few_rows_that_lose_much_widen_it() -> None:
    """Differences 0, 0, -.3: standard error .1, skewness -.7071, t of two degrees 2.9200: 1.4215 times as wide."""
    plain = 2.91999 * 2**0.5 * 0.1
    assert of([1.0, 1.0, 0.7], [1.0] * 3, floor=1.0) == pytest.approx(plain * 1.421465, rel=1e-5)
    assert of([1.0, 1.0, 1.3], [1.0] * 3, floor=1.0) == pytest.approx(plain, rel=1e-5)  # few that gain much do not


@pytest.mark.parametrize("rows", [50, 100, 200])
def test_rows_that_differ_but_lose_nothing_need_little(rows: int) -> None:
    """Levels of .6 ± .2, as retained sets have them: an unchanged utility is surely kept."""
    start = np.random.default_rng(0).normal(0.6, 0.2, rows).clip(0.05, 0.99).tolist()
    assert surely(float(np.mean(start)), float(np.mean(start)), FLOOR, of(start, start))
    lost = [0.97 * level for level in start]
    assert surely(float(np.mean(lost)), float(np.mean(start)), FLOOR, of(lost, start))


def test_a_single_group_is_judged_by_its_rows_and_a_single_row_is_said_to_say_nothing() -> None:
    values, start = [0.5, 0.7, 0.9], [0.6, 0.7, 0.8]
    assert of(values, start, ["a"] * 3) == of(values, start) > 0
    assert doubt(["a"] * 3) and doubt(["a"]) and doubt(["a"]) != doubt(["a"] * 3)
    assert of([0.5], [0.6]) == 0
    assert not doubt(["a", "b", "b"]) and not doubt([])


def test_a_floor_of_nothing_is_always_held_and_what_is_not_finite_never() -> None:
    assert surely(0.0, 1.0, 0.0, 0.5)
    assert not surely(0.96, 1.0, FLOOR, of([0.5, float("nan")], [0.5, 0.5]))
    assert not surely(float("inf"), 1.0, FLOOR, of([0.5, float("inf")], [0.5, 0.5]))


@pytest.mark.parametrize("seed", range(3))
def test_another_half_holds_19_times_in_20(seed: int) -> None:
    """Retained groups of four rows are cut in two, after a loss that differs by group and by row. Where the one half
    is surely above the floor, the other is above it; at the very edge of what is taken, once in twenty it is not."""
    generator = np.random.default_rng(seed)
    names = [str(i // 4) for i in range(4 * 30)]
    sure, edge = [], []
    for _ in range(1500):
        start = generator.normal(0.6, 0.2, (2, 30, 1)) + generator.normal(0, 0.1, (2, 30, 4))
        start = start.clip(0.02, 1.0)
        loss = (
            generator.uniform(0.0, 0.1) + generator.normal(0, 0.05, (2, 30, 1)) + generator.normal(0, 0.03, (2, 30, 4))
        )
        after = (start * (1 - loss)).clip(0.0, 1.0)
        (mine, other), (first, test) = after.reshape(2, -1), start.reshape(2, -1)
        needed = margin(torch.tensor(mine), torch.tensor(first), FLOOR, names)
        if surely(float(mine.mean()), float(first.mean()), FLOOR, needed):
            sure.append(other.mean() >= FLOOR * test.mean())
        # shifted so that the first half is at the edge: does the second stay above its floor?
        room = mine.mean() - FLOOR * first.mean() - needed
        edge.append(other.mean() - FLOOR * test.mean() - room >= 0)
    assert len(sure) > 150 and np.mean(sure) >= 0.95
    assert 0.935 <= np.mean(edge) <= 0.965


@pytest.mark.parametrize("seed", range(2))
def test_another_half_holds_nearly_as_often_where_few_groups_lose_much(seed: int) -> None:
    """One group in ten loses much, the others nothing. Without the factor for the tail it holds less often."""
    generator = np.random.default_rng(seed)
    wide, narrow = [], []
    for _ in range(3000):
        loss = generator.uniform(0.2, 0.9, (2, 80)) * (generator.random((2, 80)) < 0.1)
        needed = of((1 - loss[0]).tolist(), [1.0] * 80)
        t = 1.66437  # .95 quantile of Student's t, 79 degrees
        plain = t * 2**0.5 * float(loss[0].std(ddof=1)) / 80**0.5
        for held, by in ((wide, needed), (narrow, plain)):  # shifted so that the first half is at the edge
            held.append(loss[1].mean() - loss[0].mean() <= by)
    assert np.mean(narrow) < 0.935 < 0.94 <= np.mean(wide) <= 0.96
