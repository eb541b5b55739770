"""Noise on the weights: its size, its seed, its attack."""

import pytest
import torch

from attacked import target
from expunge.attacks import attacks
from expunge.attacks.noise import shaken


def test_its_size_is_relative_to_the_matrix() -> None:
    weight = 3.0 * torch.randn(200, 300, generator=torch.Generator().manual_seed(0))
    moved = shaken(weight, 0.1, torch.Generator().manual_seed(1)) - weight
    assert (moved.norm() / weight.norm()).item() == pytest.approx(0.1, rel=0.02)
    assert abs(moved.mean().item()) < 0.01


def test_by_hand() -> None:
    """rms of (3, 4) is sqrt(12.5)."""
    weight = torch.tensor([[3.0, 4.0]])
    drawn = torch.randn(1, 2, generator=torch.Generator().manual_seed(5))
    expected = weight + 0.2 * 12.5**0.5 * drawn
    torch.testing.assert_close(shaken(weight, 0.2, torch.Generator().manual_seed(5)), expected)


def test_the_seed_and_the_size_decide() -> None:
    run = attacks.get("noise")
    plain = run(target(seed=1))
    assert run(target(seed=1)) == plain
    assert run(target(seed=2)) != plain
    assert sum(run(target(seed=1), sigma=3.0)[0].scores) < sum(plain[0].scores)  # nothing is left of it
