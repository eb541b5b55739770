"""Sketches: worked out by hand, unbiased, and no wider than they say."""

import torch

from expunge.models.sketch import Sketch


def test_by_hand() -> None:
    """Five numbers in three places: rows [1 2 3] and [4 5 0], each signed, turned and added."""
    sketch = Sketch(3, seed=1)
    total = torch.zeros(3)
    gradient = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]])[:, :2].flatten()[:5]
    sketch.add(total, "w", gradient)
    signs, row_signs, offsets = sketch._of("w", 2)
    assert sorted({*signs.tolist(), *row_signs}) in ([-1.0, 1.0], [-1.0], [1.0])
    rows = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 0.0])]
    by_hand = sum(a * torch.roll(signs * row, o) for row, a, o in zip(rows, row_signs, offsets))
    assert torch.equal(total, by_hand)


def test_it_is_linear_and_depends_on_seed_and_name_only() -> None:
    g, h = torch.randn(50, generator=torch.Generator().manual_seed(0)), torch.arange(50.0)

    def sketched(x: torch.Tensor, name: str = "w", seed: int = 0) -> torch.Tensor:
        total = torch.zeros(7)
        Sketch(7, seed).add(total, name, x.view(5, 10))
        return total

    torch.testing.assert_close(sketched(g) + 2 * sketched(h), sketched(g + 2 * h))
    assert torch.equal(sketched(g), sketched(g))
    assert not torch.equal(sketched(g), sketched(g, name="v"))
    assert not torch.equal(sketched(g), sketched(g, seed=1))


def _errors(g: torch.Tensor, h: torch.Tensor, length: int, draws: int = 4000) -> torch.Tensor:
    found = []
    for seed in range(draws):
        pair = torch.zeros(2, length)
        sketch = Sketch(length, seed)
        sketch.add(pair[0], "w", g)
        sketch.add(pair[1], "w", h)
        found.append(float(pair[0] @ pair[1] - g @ h))
    return torch.tensor(found)


def test_products_are_unbiased_and_within_the_bound() -> None:
    """Of gradients without structure, and of the worst: all rows alike, as when one input is on everywhere."""
    generator = torch.Generator().manual_seed(0)
    plain = torch.randn(2, 160, generator=generator)
    alike = torch.randn(2, 16, generator=generator).repeat(1, 10)
    for g, h, bound in ((*plain, 1.3), (*alike, 4.0)):
        errors, scale = _errors(g, h, 16), float(g.norm() * h.norm())
        assert abs(float(errors.mean())) < 4 * float(errors.std()) / len(errors) ** 0.5
        spread = float(errors.var()) * 16 / (scale**2 + float(g @ h) ** 2)
        assert spread < bound, spread
