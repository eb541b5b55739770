"""Directions: weights by name, cosines with a gradient, and what is left without a retain gradient."""

import pytest
import torch

from expunge.arithmetic.directions import directed, projected, weighted
from expunge.arithmetic.patterns import by_pattern
from expunge.change import WeightChange
from expunge.errors import ConfigError

BASE = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2)}
AFTER = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([1.0, 0.0]), "c": torch.tensor([0.0, 2.0])}
CHANGE = WeightChange.between(BASE, AFTER)


def test_a_tensor_has_the_weight_of_the_first_pattern_that_fits() -> None:
    assert by_pattern(["x.mlp", "x.attn"], {"*.mlp": 0.5, "*": 2.0}) == {"x.mlp": 0.5, "x.attn": 2.0}
    with pytest.raises(ConfigError, match=r"'\*.mpl'.*the first is 'x.mlp'"):
        by_pattern(["x.mlp"], {"*.mpl": 1.0})
    u = weighted({"a": 0.5})
    assert u("a", AFTER["a"]).tolist() == [1.5, 2.0]
    assert u("b", AFTER["b"]).tolist() == [0.0, 0.0]


def test_directed_by_hand() -> None:
    """cos: a 3/5 with (1, 0), b -1 with (-2, 0), c 1 with (0, 5). The largest has weight 1, opposite ones none."""
    gradients = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([-2.0, 0.0]), "c": torch.tensor([0.0, 5.0])}
    assert directed(CHANGE, BASE, gradients) == pytest.approx({"a": 0.6, "b": 0.0, "c": 1.0})
    # a and b together: (3 - 2) / (√26 · √5); c as before
    together = directed(CHANGE, BASE, gradients, lambda name: "ab" if name in "ab" else name)
    cosine = (3 - 2) / (26**0.5 * 5**0.5)
    assert together == pytest.approx({"a": cosine, "b": cosine, "c": 1.0})


def test_where_nothing_agrees_nothing_moves() -> None:
    against = {name: -value for name, value in AFTER.items()}
    assert directed(CHANGE, BASE, against) == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_projected_by_hand() -> None:
    """(3, 4) without its part along (1, 0) is (0, 4)."""
    u = projected([{"a": torch.tensor([5.0, 0.0])}])
    assert u("a", AFTER["a"]).tolist() == [0.0, 4.0]


def test_what_is_left_is_orthogonal_to_every_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = [{"w": torch.randn(6, 5, generator=generator)} for _ in range(3)]
    gradients.append({"w": gradients[0]["w"] * 2 + gradients[1]["w"]})  # spanned already
    v = torch.randn(6, 5, generator=generator)
    u = projected(gradients)("w", v)
    for each in gradients:
        assert float((u * each["w"]).sum().abs()) < 1e-5 * float(each["w"].norm() * v.norm())
    assert float(u.norm()) < float(v.norm())
    torch.testing.assert_close(projected(gradients)("w", u), u)  # once is enough


def test_a_gradient_of_zeros_takes_nothing_away() -> None:
    assert torch.equal(projected([{"a": torch.zeros(2)}])("a", AFTER["a"]), AFTER["a"])
