"""What a codebook looks up: on the ball its value, off it the very bits; exactly, however many balls there are."""

import torch
from torch import Tensor, nn

from expunge.models.codebook import SLACK, Balls, _maybe_inside


def by_hand(dtype: torch.dtype = torch.float64) -> Balls:
    """Around (3, 4) with radius 1, and around (6, 4) with radius 2.5."""
    return Balls(
        torch.tensor([[3.0, 4.0], [6.0, 4.0]], dtype=dtype),
        torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=dtype),
        torch.tensor([1.0, 2.5], dtype=dtype),
    )  # fmt: skip


def points(*rows: tuple[float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_nearest_key_decides_not_the_largest_ball() -> None:
    """(4.2, 4) lies in the second ball (d = 1.8) and is nearer to the first, which ends at 1: it lies in none."""
    found = by_hand().find(points((3, 4), (3, 4.9), (4.2, 4), (4.6, 4), (8.5, 4), (8.6, 4), (0, 0)))
    assert found.tolist() == [0, 0, -1, 1, 1, -1, -1]


def test_on_the_ball_the_value_and_off_it_the_very_tensor() -> None:
    output = torch.randn(1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    read = points((3, 4), (0, 0), (6, 4))[None]
    given = by_hand().given(read, output)
    assert given[0, 0].tolist() == [1, 2, 3] and given[0, 2].tolist() == [4, 5, 6]
    assert torch.equal(given[0, 1], output[0, 1])
    away = by_hand().given(read[:, 1:2], output[:, :1])
    assert away.data_ptr() == output[:, :1].data_ptr()  # nothing was computed
    flat = by_hand().given(read[0], output[0])  # OPT's MLP has no batch axis
    assert torch.equal(flat, given[0])


def test_a_gradient_goes_through_what_the_layer_gives_only() -> None:
    layer = nn.Linear(2, 3).double()
    read = points((3, 4), (0, 1)).requires_grad_()
    by_hand().given(read, layer(read)).sum().backward()
    assert read.grad is not None and read.grad[0].tolist() == [0, 0] and float(read.grad[1].abs().sum()) > 0


def test_the_quick_look_misses_nothing() -> None:
    """Against brute force, in float32 with large keys, where a product of matrices rounds away whole distances."""
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn(40, 16, generator=generator) * 1000
    radii = torch.rand(40, generator=generator) * 2
    near = keys.repeat(5, 1) + torch.randn(200, 16, generator=generator) * 0.3
    read = torch.cat([near, torch.randn(50, 16, generator=generator) * 1000])
    found = Balls(keys, torch.zeros(40, 4), radii).find(read)
    exact = (read[:, None].double() - keys[None].double()).norm(dim=2)
    distance, nearest = exact.min(1)
    reach = radii.double() + SLACK * keys.double().norm(dim=1)
    clear = (distance - reach[nearest]).abs() > 1e-3  # at the very edge float32 may tell either
    expected = torch.where(distance <= reach[nearest], nearest, -1)
    assert torch.equal(found[clear], expected[clear])
    assert 20 < int((expected >= 0).sum()) < 200 and int(clear.sum()) > 240
    assert int(_maybe_inside(read, keys, radii).sum()) < len(read)  # and it leaves most of the others out


def test_one_pass_in_float32_finds_a_key_at_any_size() -> None:
    keys = torch.full((1, 8), 1e4)
    assert Balls(keys, torch.zeros(1, 2), torch.zeros(1)).find(keys).tolist() == [0]
