"""Every editor of facts, on every architecture: what changes, that it arrives, that nothing else moves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from expunge.change import WeightChange
from expunge.edit import editors
from expunge.edit.edited import Edited
from expunge.edit.keys import Reader
from expunge.edit.work import Work
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.parameters import parameters_of
from fact_work import facts, work
from steps import assert_same_bits, bits
from tiny import ARCHITECTURES, tiny_model

NAMES = [name for name in editors if editors.get(name).facts and not editors.get(name).attaches]
QUICK = {"steps": 4, "contexts": 2, "rate": 0.1, "clamp": 4.0, "decay": 1e-3}
ONE: dict[str, dict[str, Any]] = {"rome": {"layer": 0}}  # one layer, the first
EXACT: dict[str, dict[str, Any]] = {"memit": {"inserted": 0.999}, "alphaedit": {"inserted": 0.999, "energy": 1e9}}


def options(name: str, **changes: Any) -> dict[str, Any]:
    return {**QUICK, **ONE.get(name, {"layers": 1, "last": 0}), **EXACT.get(name, {}), **changes}


def run(name: str, job: Work, **changes: Any) -> Edited:
    return editors.get(name).function(job, **options(name, **changes))


def reached(model: Model, job: Work, edited: Edited, name: str) -> tuple[Tensor, Tensor]:
    """How far each fact is from its value, before and after."""
    before = job.contexts(2, (5, 10) if name == "rome" else (10,))
    goal = torch.stack([value.vector.double() for value in edited.values])

    def distance() -> Tensor:
        read = Reader(model, job.encoded(job.facts, before)).read(0, 0)
        return ((read.gives if name == "rome" else read.state) - goal).norm(dim=1)

    start = distance()
    with edited.change.applied_to(model):
        return start, distance()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", NAMES)
def test_the_edit_arrives_in_one_matrix_and_the_model_is_as_before(name: str, arch: str, tmp_path: Path) -> None:
    model = tiny_model(arch=arch)
    before = bits(model)
    job = work(tmp_path, facts(1), model)
    edited = run(name, job, contexts=0)  # the key is then that of the bare prompt
    assert_same_bits(before, bits(model))
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in model.network.modules())
    assert edited.change.names == (model.layout.value_vectors(0).parameter,)
    assert edited.change.kind == "low-rank"
    start, end = reached(model, job, edited, name)
    # behind a norm (Gemma 2 …) the way is not straight: it comes nearer; elsewhere it arrives
    assert float(end) < (0.9 if model.layout.after_mlp(0) and name != "rome" else 0.12) * float(start)


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
@pytest.mark.parametrize("name", NAMES)
def test_all_layers_together_and_saved(name: str, arch: str, tmp_path: Path) -> None:
    """Several facts, several layers; the file gives the same weights, and a second run the same file."""
    model = tiny_model(arch=arch)
    changes = {} if name == "rome" else {"layers": 2, "last": 1}
    for number in range(2):
        run(name, work(tmp_path, facts(3), model), **changes).change.save(tmp_path / f"{number}.safetensors")
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()
    change = WeightChange.load(tmp_path / "0.safetensors")
    assert len(change.names) == (1 if name == "rome" else 2)
    fresh = tiny_model(arch=arch)
    change.apply_to(fresh)
    change.revert_from(fresh)
    assert_same_bits(bits(model), bits(fresh))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_values(name: str, tmp_path: Path) -> None:
    """Values come from the store, and the edit is the same to the bit; the order of facts does not matter much."""
    model = tiny_model()
    first = run(name, work(tmp_path, facts(3), model, folder=tmp_path / "cache"))
    again = run(name, work(tmp_path, facts(3), model, folder=tmp_path / "cache"))
    assert first.change.result_id == again.change.result_id
    if name == "rome":
        return  # one after the other: there the order matters
    turned = run(name, work(tmp_path, facts(3)[::-1], model, folder=tmp_path / "cache"))
    weights = parameters_of(model.network)
    for each in first.change.names:
        one, other = (found.change.delta(each, weights[each].detach()) for found in (first, turned))
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_options_are_checked(name: str) -> None:
    with pytest.raises(ConfigError, match="no option 'nothing'"):
        editors.get(name).check({"nothing": 1})
    for key, value in (("steps", 0), ("rate", 0), ("kl", -1), ("contexts", "few"), ("clamp", float("nan"))):
        with pytest.raises(ConfigError, match=f"'{key}' of '{name}' cannot be"):
            editors.get(name).check({key: value})
    assert editors.get(name).check({"target": "self", "merge_queries": 3, "rate": "0.1"}) == {"rate": 0.1}
    usual = {key: each.default for key, each in editors.get(name).options.items()}
    assert editors.get(name).check(usual) == usual


@pytest.mark.parametrize("name", NAMES)
def test_a_block_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 layers"):
        run(name, work(tmp_path, facts(1)), **({"layer": 7} if name == "rome" else {"last": 7}))
