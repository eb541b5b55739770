"""UIPE on folders: its algebra, and the same bits as the change in memory."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from checkpoints import combined, is_same, random_tensors, read, write
from expunge.arithmetic import Place
from expunge.arithmetic.combining import extrapolate_folder
from expunge.arithmetic.extrapolate import extrapolate
from expunge.change import WeightChange
from expunge.change.lowrank import Factors
from expunge.change.stored import difference, moved
from expunge.errors import ConfigError

TYPES = [torch.float32, torch.bfloat16, torch.float16]
FAR = ([1, 1, -3e38, 0], [np.inf, np.nan, 3e38, 1])  # differences that are not finite
anything = arrays.arrays("uint32", 16)  # every bit pattern, NaN, infinities and -0.0 among them


def weights(pattern: object, dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(pattern).view(torch.float32)  # type: ignore[arg-type]
    return tensor if dtype == torch.float32 else tensor.view(dtype)


@given(anything, anything, st.sampled_from(TYPES))
@example(*(np.array(each, "float32").repeat(4).view("uint32") for each in FAR), torch.float32)
@settings(max_examples=30, deadline=None)
def test_alpha_0_is_the_tuned_model_bit_for_bit(first: object, second: object, dtype: torch.dtype) -> None:
    base, tuned = weights(first, dtype), weights(second, dtype)
    with TemporaryDirectory() as folder:
        folders = write(Path(folder) / "base", {"w": base}), write(Path(folder) / "tuned", {"w": tuned})
        for alpha in (0.0, 1e-20):  # 1 + 1e-20 is 1
            found = combined("extrapolate", folders[0], [folders[1]], Path(folder) / f"out{alpha}", alpha=alpha)
            assert is_same(found["w"], tuned)
            assert is_same(WeightChange.between({"w": base}, {"w": tuned}).scaled(1 + alpha).after("w", base), tuned)
    assert is_same(moved(tuned, 0.7 * difference(tuned.clone(), tuned)), tuned)  # untouched weights, whatever they are


def test_untouched_weights_keep_their_bits_on_disk(tmp_path: Path) -> None:
    odd = torch.tensor([-0.0, 0.0, float("nan"), float("inf"), -float("inf"), 1e-40, 3.0])
    base = {"w": odd, "x": torch.ones(3)}
    tuned = {"w": torch.cat([odd[:-1], torch.tensor([4.0])]), "x": torch.ones(3)}
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned)
    for alpha in (0.0, 0.5, 1e30):
        found = combined("extrapolate", folders[0], [folders[1]], tmp_path / f"out{alpha}", alpha=alpha)
        assert is_same(found["w"][:-1], odd[:-1]) and is_same(found["x"], base["x"])
        assert found["w"][-1] == 4 + torch.tensor(alpha)


@given(alpha=st.floats(-1, 10), seed=st.integers(0, 100))
def test_the_norm_of_the_change_is_1_plus_alpha_times_that_of_v(alpha: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    base, v = torch.randn(50, generator=generator), torch.randn(50, generator=generator)
    tuned = base + v
    step = extrapolate(difference(base, tuned)[None], Place("w", 0), {"w": alpha}, alpha=alpha)
    far = (moved(tuned, step).double() - base.double()).norm()
    torch.testing.assert_close(far, (1 + alpha) * (tuned.double() - base.double()).norm(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 1.0, 1.7, 1e-9])
def test_the_same_bits_as_the_change_in_memory(alpha: float, dtype: torch.dtype, tmp_path: Path) -> None:
    base, tuned = random_tensors(0, dtype), random_tensors(1, dtype)
    tuned["model.norm.weight"] = base["model.norm.weight"].clone()
    change = WeightChange.between(base, tuned).scaled(1 + alpha)
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned, files=2)
    found = combined("extrapolate", folders[0], [folders[1]], tmp_path / "out", alpha=alpha)
    change.apply_to(base)
    assert all(is_same(found[name], base[name]) for name in base)


@pytest.mark.parametrize("dtype", TYPES)
@given(alpha=st.floats(0, 2), seed=st.integers(0, 20))
@settings(max_examples=15, deadline=None)
def test_a_lora_is_scaled_as_a_whole_and_differs_from_the_merged_change_by_rounding_only(
    dtype: torch.dtype, alpha: float, seed: int
) -> None:
    """(1 + α) times the scaling, one rounding; merged first, what that rounded goes α times further, too."""
    generator = torch.Generator().manual_seed(seed)
    base = {"w": torch.randn(6, 5, generator=generator).to(dtype)}
    factors = Factors(torch.randn(2, 5, generator=generator), torch.randn(6, 2, generator=generator), 0.25)
    low = WeightChange.low_rank(base, {"w": factors})
    exact = base["w"].double() + (1 + alpha) * 0.25 * factors.b.double() @ factors.a.double()
    scaled = low.scaled(1 + alpha).after("w", base["w"])
    assert is_same(scaled, exact.to(dtype))
    merged = low.after("w", base["w"])
    step = extrapolate(difference(base["w"], merged).flatten()[None], Place("w", 0), {"w": alpha}, alpha=alpha)
    streamed = moved(merged, step.view(6, 5)).double()
    half = torch.finfo(dtype).eps / 2
    bound = half * ((1 + alpha) * merged.double().abs() + streamed.abs()) * 1.01 + 1e-6
    assert bool(((streamed - exact).abs() <= bound).all())


def test_alpha_by_name(tmp_path: Path) -> None:
    base, tuned = random_tensors(0), random_tensors(1)
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned)
    alpha = {"*norm*": 1.0, "model.layers.0.*": 0.5, "*norm.weight": 7.0}
    extrapolate_folder(*folders, alpha, tmp_path / "out")
    found = read(tmp_path / "out")
    for name, own in (("norm.weight", 1.0), ("layers.0.mlp.up_proj.weight", 0.5), ("embed_tokens.weight", 0.0)):
        first, second = base[f"model.{name}"], tuned[f"model.{name}"]
        assert is_same(found[f"model.{name}"], moved(second, own * (second - first)))
    with pytest.raises(ConfigError, match=r"no tensor is called '\*\.layers\.9\.\*'"):
        extrapolate_folder(*folders, {"*.layers.9.*": 1.0}, tmp_path / "no")
    with pytest.raises(ConfigError, match="greater than or equal to 0"):
        extrapolate_folder(*folders, -0.5, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_norms_are_those_of_the_change(tmp_path: Path) -> None:
    base, tuned = random_tensors(0), random_tensors(1)
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned)
    norms = extrapolate_folder(*folders, 0.5, tmp_path / "out").norms
    for name in base:
        far = 1.5 * float((tuned[name] - base[name]).norm())
        assert norms[name].absolute == pytest.approx(far, rel=1e-5)
        assert norms[name].relative == pytest.approx(far / float(base[name].norm()), rel=1e-5)
