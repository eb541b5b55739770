"""Rounding: by hand, by brute force, and on models."""

from typing import Any

import pytest
import torch

from attacked import target
from expunge.attacks import attacks
from expunge.attacks.matrices import rewritten
from expunge.attacks.quantize import BLOCK, NF4, integers, nf4
from tiny import tiny_model


def test_eight_bit_has_a_step_for_each_output() -> None:
    """127 steps reach the largest weight of a row: 1.27 and 12.7 here."""
    weight = torch.tensor([[1.27, 0.014, -0.016], [12.7, 0.14, -0.16]])
    expected = torch.tensor([[1.27, 0.01, -0.02], [12.7, 0.1, -0.2]])
    torch.testing.assert_close(integers(weight, bits=8), expected)


def test_four_bit_has_a_step_for_each_block() -> None:
    """The flattened weights in blocks of two: largest 0.7 and 7, so the steps are 0.1 and 1. The last is alone."""
    weight = torch.tensor([[0.7, -0.26, 7.0], [3.4, -0.3, 0.0]])
    expected = torch.tensor([[0.7, -0.3, 7.0], [3.0, -0.3, 0.0]])
    torch.testing.assert_close(integers(weight, bits=4, block=2), expected)
    alone = integers(torch.tensor([[0.7, -0.26, 0.123]]), bits=4, block=2)
    torch.testing.assert_close(alone, torch.tensor([[0.7, -0.3, 0.123]]))


def test_nf4_by_hand() -> None:
    """Largest 2. 1.0 → 0.5: 0.4407 is nearer than 0.5626. -0.1 → -0.05: of 0 and -0.0911 the latter. Others exact."""
    found = nf4(torch.tensor([[2.0, 1.0, -0.1, -2.0]]))
    expected = torch.tensor([[2.0, 2 * 0.44070982933044434, -2 * 0.09105003625154495, -2.0]])
    torch.testing.assert_close(found, expected)


def test_nf4_by_brute_force() -> None:
    """130 weights: two blocks of 64, and one of two."""
    weight = torch.randn(13, 10, generator=torch.Generator().manual_seed(0))
    flat, found = weight.flatten().tolist(), nf4(weight).flatten().tolist()
    for start in range(0, len(flat), BLOCK):
        block = flat[start : start + BLOCK]
        size = max(abs(w) for w in block)
        expected = [min(NF4, key=lambda level: abs(level - w / size)) * size for w in block]
        assert found[start : start + BLOCK] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rounded", [nf4, lambda w: integers(w, bits=8), lambda w: integers(w, bits=4, block=BLOCK)])
def test_rounding_twice_is_rounding_once_and_zero_stays(rounded: Any) -> None:
    once = rounded(torch.randn(6, 50, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(rounded(once), once)
    assert not rounded(torch.zeros(3, 5)).any()


def test_few_values_are_left() -> None:
    for arch in ("llama", "gpt2"):
        model = tiny_model(arch=arch)
        name = f"{model.layout.mlp_out(0)}.weight"
        with rewritten(model, lambda weight: integers(weight, bits=8)):
            weight = model.network.get_parameter(name).detach().clone()
        outputs = weight.T if arch == "gpt2" else weight
        for row in outputs:
            steps = row / (row.abs().max() / 127)
            torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)


def test_the_attack_measures_both_widths() -> None:
    found = attacks.get("quantize")(target())
    parts = [each.part for each in found]
    assert parts == ["8 bit, probability", "8 bit, said", "4 bit, probability", "4 bit, said"]
    eight, four = found[0].scores, found[2].scores
    assert eight != four
    with_levels = attacks.get("quantize")(target(), code="nf4")
    assert with_levels[0].scores == eight and with_levels[2].scores != four


def test_a_small_change_is_undone_by_rounding() -> None:
    """Why it is an attack: weights moved by less than a step round to what they were."""
    weight = torch.tensor([[7.0, 3.0, -2.0]])
    moved = weight + torch.tensor([[0.0, 0.3, -0.4]])
    assert torch.equal(integers(moved, bits=4), integers(weight, bits=4))
