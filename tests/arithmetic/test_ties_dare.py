"""TIES and DARE by hand, against the formula over whole vectors, and what is drawn."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from checkpoints import combined, is_same, random_tensors, write
from expunge.arithmetic import Place
from expunge.arithmetic.dare import dare, drawn
from expunge.arithmetic.ranking import kth_largest, share_of
from expunge.arithmetic.ties import ties
from expunge.errors import ConfigError

HERE = Place("w", 0)


def test_ties_by_hand() -> None:
    """Of weight 0 the signs agree; of 1 the larger sum wins; of 2 one model is trimmed; 3 adds up to nothing."""
    vectors = torch.tensor([[4.0, -3.0, 0.5, 2.0], [2.0, 5.0, 3.0, -2.0]])
    limits = {"w": torch.tensor([[2.0], [2.0]])}
    assert ties(vectors, HERE, limits, scale=1.0).tolist() == [3.0, 5.0, 3.0, 0.0]
    assert ties(vectors, HERE, limits, scale=0.5).tolist() == [1.5, 2.5, 1.5, 0.0]


def reference(vectors: Float[Tensor, "models weights"], density: float) -> Float[Tensor, " weights"]:
    """The paper's algorithm on vectors that are in memory, weight by weight."""
    kept = []
    for vector in vectors:
        limit = vector.abs().sort(descending=True).values[max(1, share_of(density, len(vector))) - 1]
        kept.append([float(value) if abs(value) >= limit else 0.0 for value in vector])
    result = []
    for values in zip(*kept):
        total = sum(values)
        agreeing = [value for value in values if value * total > 0]
        result.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return torch.tensor(result)


@pytest.mark.parametrize("trim", ["vector", "tensor"])
@pytest.mark.parametrize("density", [0.05, 0.2, 0.7, 1.0])
def test_streamed_ties_is_the_papers(
    trim: str, density: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expunge.arithmetic.combining._TILE", 8)
    monkeypatch.setattr("expunge.arithmetic.blocks.BLOCK", 16)
    base, *tuned = (random_tensors(seed) for seed in range(4))
    for each in tuned:  # tensors that moved unequally far, so that the two ways to trim differ
        each["model.norm.weight"] = base["model.norm.weight"] + 0.01 * each["model.norm.weight"]
    folders = [write(tmp_path / f"tuned{i}", each, files=i + 1) for i, each in enumerate(tuned)]
    found = combined("ties", write(tmp_path / "base", base), folders, tmp_path / "out", density=density, trim=trim)
    vectors = {n: torch.stack([each[n].flatten() - base[n].flatten() for each in tuned]) for n in base}
    if trim == "vector":
        whole = reference(torch.cat(list(vectors.values()), 1), density)
        pieces = dict(zip(base, whole.split([base[n].numel() for n in base])))
    else:
        pieces = {name: reference(each, density) for name, each in vectors.items()}
    for name in base:
        torch.testing.assert_close(found[name], base[name] + pieces[name].view(base[name].shape))
        untouched = pieces[name].view(base[name].shape) == 0
        assert torch.equal(found[name][untouched], base[name][untouched])


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40), st.data())
def test_the_kth_largest_is_exact(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    rows = torch.tensor([values, values[::-1]])
    pieces = rows.split(7, 1)
    expected = sorted((abs(value) for value in values), reverse=True)[k - 1]
    assert kth_largest(lambda: pieces, 2, k).tolist() == [[expected], [expected]]


def test_dare_by_hand() -> None:
    vectors = torch.arange(1.0, 13.0)[None]
    dropped = drawn(0, 0, HERE, 12, 0.5)
    assert 0 < int(dropped.sum()) < 12
    expected = torch.where(dropped, 0.0, 2 * vectors[0])
    assert torch.equal(dare(vectors, HERE, drop=0.5), expected)
    assert torch.equal(dare(vectors, HERE, drop=0.5, scale=0.5), expected / 2)
    assert torch.equal(dare(vectors, HERE, drop=0.0), vectors[0])
    both = dare(torch.stack([vectors[0], vectors[0]]), HERE, drop=0.5)
    assert torch.equal(both, expected + torch.where(drawn(0, 1, HERE, 12, 0.5), 0.0, 2 * vectors[0]))


def test_what_is_drawn_depends_on_seed_model_and_name_and_has_the_right_share() -> None:
    many = drawn(0, 0, HERE, 100_000, 0.9)
    assert abs(float(many.float().mean()) - 0.9) < 0.005
    for other in (drawn(1, 0, HERE, 100, 0.5), drawn(0, 1, HERE, 100, 0.5), drawn(0, 0, Place("v", 0), 100, 0.5)):
        assert not torch.equal(other, drawn(0, 0, HERE, 100, 0.5))
    assert not drawn(0, 0, HERE, 100, 0.0).any()


@given(st.integers(0, 50), st.integers(1, 50))
@settings(max_examples=30)
def test_any_part_of_what_is_drawn_is_drawn_alone(start: int, count: int) -> None:
    assert torch.equal(drawn(3, 1, Place("w", start), count, 0.3), drawn(3, 1, HERE, 100, 0.3)[start : start + count])


def test_dare_keeps_the_sum_on_average_and_what_is_dropped_bit_for_bit(tmp_path: Path) -> None:
    base = {"w": torch.full((400, 50), -0.0)}
    tuned = {"w": torch.ones(400, 50)}
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned)
    found = combined("dare", folders[0], [folders[1]], tmp_path / "out", drop=0.9)["w"]
    kept = found != 0
    assert is_same(found[~kept], base["w"][~kept])
    torch.testing.assert_close(found[kept], torch.full_like(found[kept], 10.0))
    assert abs(float(found.mean()) - 1) < 0.1
    with pytest.raises(ConfigError, match="less than 1"):
        combined("dare", folders[0], [folders[1]], tmp_path / "no", drop=1.0)
