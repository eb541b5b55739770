"""Pruning: which weights go, and its attack."""

import torch

from attacked import target
from expunge.attacks import attacks
from expunge.attacks.after import measured
from expunge.attacks.prune import pruned


def test_the_smallest_go() -> None:
    weight = torch.tensor([[3.0, -1.0, 0.2], [0.5, -2.0, -4.0]])
    assert pruned(weight, 0.5).tolist() == [[3.0, 0.0, 0.0], [0.0, -2.0, -4.0]]
    assert torch.equal(pruned(weight, 0.0), weight)
    assert not pruned(weight, 1.0).any()
    assert pruned(torch.ones(1, 3), 0.4).tolist() == [[0.0, 1.0, 1.0]]  # ⌊1.2⌋, the first of equals


def test_none_changes_nothing_and_much_changes_much() -> None:
    run = attacks.get("prune")
    assert run(target(), share=0.0) == measured(target())
    assert sum(run(target(), share=0.9)[0].scores) < sum(run(target(), share=0.0)[0].scores)
