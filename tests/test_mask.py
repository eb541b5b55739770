"""Masks: set algebra against sets of weights, exactness against an optimizer that decays, files."""

from itertools import pairwise
from math import prod
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from expunge.errors import ChangeError, ConfigError
from expunge.mask import Mask, Units

SHAPES = {"scale": (), "bias": (4,), "matrix": (3, 4), "row": (1, 5), "kernel": (2, 3, 2)}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, object]:
    """What masks are made of. No masks: beartype draws random numbers, which a strategy must not."""
    entries = {}
    for name, shape in SHAPES.items():
        kind = draw(st.sampled_from(["absent", "whole", "axis", "flat", "bool"]))
        if kind == "whole":
            entries[name] = None
        elif kind == "axis" and shape:
            axis = draw(st.integers(0, len(shape) - 1))
            entries[name] = (axis, draw(st.lists(st.integers(0, shape[axis] - 1))))
        elif kind == "flat":
            entries[name] = torch.tensor(draw(st.lists(st.integers(0, prod(shape) - 1))), dtype=torch.int64)
        elif kind == "bool":
            bits = draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)))
            entries[name] = torch.tensor(bits).reshape(shape)
    return entries


def weights_in(mask: Mask) -> set[tuple[str, int]]:
    return {(n, i) for n in SHAPES for i in mask.inside(n).flatten().nonzero().flatten().tolist()}


@given(entries(), entries())
@settings(max_examples=150, deadline=None)
def test_set_algebra_is_that_of_sets_of_weights(first: dict[str, object], second: dict[str, object]) -> None:
    a, b = Mask(SHAPES, first), Mask(SHAPES, second)
    one, two = weights_in(a), weights_in(b)
    universe = {(name, i) for name, shape in SHAPES.items() for i in range(prod(shape))}
    assert weights_in(a & b) == one & two
    assert weights_in(a | b) == one | two
    assert weights_in(a - b) == one - two
    assert weights_in(a ^ b) == one ^ two
    assert weights_in(~a) == universe - one
    assert (a == b) == (one == two)
    assert a.weights() == len(one)
    assert a.density() == len(one) / len(universe)
    assert a.density(within=b) == len(one & two) / max(1, len(two))


@given(entries())
@settings(max_examples=50, deadline=None)
def test_one_set_has_one_form(chosen: dict[str, object]) -> None:
    mask = Mask(SHAPES, chosen)
    flat = Mask(SHAPES, {name: mask.inside(name) for name in SHAPES})
    assert list(flat) == list(mask)
    for name in mask:
        a, b = mask[name], flat[name]
        assert (a is None) == (b is None)
        if a and b:
            assert a.axis == b.axis and a.index.tolist() == b.index.tolist() == sorted(set(a.index.tolist()))


@given(chosen=entries())
@settings(max_examples=25, deadline=None)
def test_a_saved_mask_comes_back(tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, object]) -> None:
    mask = Mask(SHAPES, chosen)
    path = tmp_path_factory.mktemp("mask") / "mask.safetensors"
    mask.save(path)
    loaded = Mask.load(path)
    assert loaded == mask and list(loaded) == list(mask) and loaded.shapes == mask.shapes


def test_same_mask_same_bytes(tmp_path: Path) -> None:
    mask = Mask(SHAPES, {"matrix": (0, [2, 0]), "kernel": None})
    mask.save(tmp_path / "a")
    mask.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a", "b"]


def test_forms() -> None:
    mask = Mask(SHAPES, {"matrix": torch.tensor([4, 5, 6, 7]), "bias": torch.tensor([1])})
    assert isinstance(mask["matrix"], Units) and mask["matrix"].axis == 0 and mask["matrix"].index.tolist() == [1]
    assert isinstance(mask["bias"], Units) and mask["bias"].axis == 0
    assert "kernel" not in mask and len(mask) == 2
    assert mask.unit_density({"matrix": 0}) == 1 / 3
    assert mask.unit_density({"matrix": 1}) == 0.0  # no column is in it as a whole
    assert "2 of 5 tensors" in repr(mask)
    with pytest.raises(KeyError):
        mask["kernel"]


def test_gradients_outside_are_zero_whatever_the_form() -> None:
    """Columns, single weights, a whole tensor, and one that is not in it."""
    network = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 4))
    mask = Mask.of(network, {"0.weight": (1, [1, 3]), "1.weight": torch.tensor([0, 7, 9]), "1.bias": None})
    gradients: dict[str, torch.Tensor | None] = {name: torch.ones_like(p) for name, p in network.named_parameters()}
    mask.apply_to_gradients_(gradients)
    assert {name: int(each.sum()) for name, each in gradients.items() if each is not None} == {
        "0.weight": 12, "0.bias": 0, "1.weight": 3, "1.bias": 4,
    }  # fmt: skip
    for name, each in gradients.items():
        assert each is not None and (each == mask.inside(name)).all()


def test_patterns_and_tied_names() -> None:
    network = nn.ModuleDict({"embed": nn.Embedding(5, 3), "mid": nn.Linear(3, 3), "head": nn.Linear(3, 5, bias=False)})
    network["head"].weight = network["embed"].weight
    assert list(Mask.parameters(network, ["head.weight"])) == ["embed.weight"]
    assert list(Mask.parameters(network, ["mid.*"])) == ["mid.weight", "mid.bias"]
    assert list(Mask.of(network, {"head.weight": (0, [1])})) == ["embed.weight"]
    assert Mask.everything(network) == Mask.parameters(network, ["*"])
    assert Mask.everything(network).density() == 1.0
    with pytest.raises(ConfigError, match=r"no parameter matches 'mid\.weigth'. Near: mid\.weight"):
        Mask.parameters(network, ["mid.weigth"])


def test_errors_say_what_and_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"which is not a parameter\. Near: matrix"):
        Mask(SHAPES, {"matrx": None})
    with pytest.raises(ConfigError, match=r"'matrix' has axis 2; its shape is \(3, 4\)"):
        Mask(SHAPES, {"matrix": (2, [0])})
    with pytest.raises(ConfigError, match="indices outside 0…3"):
        Mask(SHAPES, {"bias": (0, [4])})
    with pytest.raises(ConfigError, match=r"shape \(2,\), the parameter \(4,\)"):
        Mask(SHAPES, {"bias": torch.tensor([True, False])})
    with pytest.raises(
        ChangeError, match=r"1 parameters differ, the first is 'bias' \(\(4,\) in the mask, \(5,\) here"
    ):
        _ = Mask(SHAPES, {}) | Mask({**SHAPES, "bias": (5,)}, {})
    with pytest.raises(ConfigError, match="cannot read a mask"):
        Mask.load(tmp_path / "nothing")
    (tmp_path / "text").write_text("no safetensors")
    with pytest.raises(ConfigError, match="cannot read a mask"):
        Mask.load(tmp_path / "text")


def test_random_value_vectors_overlap_by_their_share() -> None:
    shapes = {f"layers.{i}.down": (8, 64) for i in range(8)}
    draws = torch.rand(2, 8, 64, generator=torch.Generator().manual_seed(0)) < 0.25
    a, b = (Mask(shapes, {n: (1, d[i].nonzero()) for i, n in enumerate(shapes)}) for d in draws)
    assert abs((a & b).density(within=b) - 0.25) < 0.06
    assert not len(a & (b - a)) and all(x < y for x, y in pairwise(a["layers.0.down"].index.tolist()))  # type: ignore[union-attr]
