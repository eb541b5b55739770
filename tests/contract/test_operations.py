"""Every registered operation on weights, run over folders that plain Transformers loads."""

from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from checkpoints import is_same, read
from expunge.arithmetic import operations
from expunge.arithmetic.combining import Combination
from expunge.arithmetic.folder import Folder
from expunge.errors import ConfigError
from tiny import ARCHITECTURES, tiny_model

NAMES = list(operations)
OPTIONS: dict[str, dict[str, Any]] = {"extrapolate": {"alpha": 0.5}}


def folder(path: Path, seed: int, arch: str, **options: Any) -> Path:
    tiny_model(seed, arch, attention="eager").network.save_pretrained(path, **options)
    return path


def run(name: str, base: Path, tuned: list[Path], out: Path) -> Path:
    Combination(operations.get(name), Folder(base), [Folder(each) for each in tuned], OPTIONS.get(name, {})).write(out)
    return out


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", NAMES)
def test_transformers_loads_the_result_and_files_do_not_matter(name: str, arch: str, tmp_path: Path) -> None:
    base, tuned = folder(tmp_path / "base", 0, arch), folder(tmp_path / "tuned", 1, arch)
    out = run(name, base, [tuned], tmp_path / "out")
    home = read(base if operations.get(name).home == "base" else tuned)
    found = read(out)
    assert found.keys() == home.keys()
    assert all(t.dtype == home[n].dtype and t.shape == home[n].shape for n, t in found.items())
    assert any(not is_same(t, home[n]) for n, t in found.items())
    loaded = dict(AutoModelForCausalLM.from_pretrained(out).named_parameters(remove_duplicate=False))
    # names as the network has them
    assert all(is_same(loaded[n].detach(), t) for n, t in found.items() if n in loaded)
    split = folder(tmp_path / "split", 0, arch, max_shard_size="20KB")
    again = read(run(name, split, [folder(tmp_path / "other", 1, arch, max_shard_size="9KB")], tmp_path / "again"))
    assert all(is_same(again[n], t) for n, t in found.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_was_not_trained_gives_itself(name: str, tmp_path: Path) -> None:
    base = folder(tmp_path / "base", 0, "llama")
    out = read(run(name, base, [base], tmp_path / "out"))
    assert all(is_same(out[n], t) for n, t in read(base).items())


@pytest.mark.parametrize("name", NAMES)
def test_several_models_where_it_takes_them(name: str, tmp_path: Path) -> None:
    base, one, two = (folder(tmp_path / f"model{i}", i, "llama") for i in range(3))
    if not operations.get(name).several:
        with pytest.raises(ConfigError, match="takes one tuned model"):
            run(name, base, [one, two], tmp_path / "out")
        return
    found = read(run(name, base, [one, two], tmp_path / "out"))
    alone = read(run(name, base, [one], tmp_path / "alone"))
    assert any(not is_same(found[n], alone[n]) for n in found)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_checked_and_what_is_registered_says_where_it_is_from(name: str) -> None:
    operation = operations.get(name)
    with pytest.raises(ConfigError, match="has no option 'nonsense'"):
        operation.check({**OPTIONS.get(name, {}), "nonsense": 1})
    for option, parameter in operation.options.items():
        assert parameter.annotation is not Parameter.empty
        with pytest.raises(ConfigError, match=f"option '{option}'"):
            operation.check({**OPTIONS.get(name, {}), option: -1.0})
    assert operation.paper.startswith("arXiv:") and operation.paper in operation.summary
    assert "eviations" in (__import__(operation.function.__module__, fromlist=["_"]).__doc__ or "")


def test_steps_are_those_of_the_whole_whatever_the_block() -> None:
    """A rule sees a weight's task vectors and its place, and nothing of its neighbours."""
    from expunge.arithmetic import Place

    vectors = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    prepared = {"extrapolate": {"w": 0.5}, "ties": {"w": torch.tensor([[0.5]])}}
    for name in NAMES:
        operation = operations.get(name)
        options = operation.check(OPTIONS.get(name, {}))

        def step(start: int, end: int, name: str = name, options: dict[str, Any] = options) -> torch.Tensor:
            given = {"vectors": vectors[:, start:end], "place": Place("w", start), "prepared": prepared.get(name)}
            return operations.get(name).step(given, options)

        assert is_same(step(0, 64), torch.cat([step(0, 5), step(5, 38), step(38, 64)]))
