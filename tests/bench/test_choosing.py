"""The rule over trials, on hand-made cases."""

from expunge.bench.choosing import chosen, loss_of
from made_up_rows import tried


def test_nearest_to_never_known_among_those_that_keep_the_utility() -> None:
    trials = [tried(0, 0.50, 0.99), tried(1, 0.12, 0.96), tried(2, 0.10, 0.80), tried(3, 0.01, 0.97)]
    # 2 is nearest but below the floor; 3 forgot more than 1, and so is farther from 0.1
    assert chosen(trials, 0.95) == 1
    assert chosen(trials, 0.75) == 2


def test_when_none_keeps_the_utility_the_one_that_keeps_most() -> None:
    assert chosen([tried(0, 0.1, 0.5), tried(1, 0.6, 0.8), tried(2, 0.1, 0.7)], 0.95) == 1


def test_without_a_never_known_level_the_first_with_most_of_the_gain() -> None:
    trials = [tried(i, forget, 1.0, never_known=None) for i, forget in enumerate((0.5, 0.12, 0.10))]
    assert chosen(trials, 0.95) == 1  # 0.78 of a gain of 0.8 is more than 90 %


def test_failed_and_diverged_trials_are_none() -> None:
    broken = tried(0, 0.1, 1.0, status="diverged")
    assert chosen([broken, tried(1, 0.7, 0.99)], 0.95) == 1
    assert chosen([broken], 0.95) is None
    assert chosen([tried(0, 0.3, None)], 0.95) == 0  # no retain set: no utility


def test_the_loss_orders_as_the_rule_does() -> None:
    best, far, below, lost, broken = (
        tried(0, 0.12, 0.96), tried(1, 0.5, 0.96), tried(2, 0.1, 0.9), tried(3, 0.1, 0.3),
        tried(4, 0.1, 1.0, status="diverged"),
    )  # fmt: skip
    losses = [loss_of(row, 0.95) for row in (best, far, below, lost, broken)]
    assert losses == sorted(losses)
    assert losses[0] < losses[1] < losses[2] < losses[3] < losses[4]
