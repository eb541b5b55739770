"""Every registered procedure, run on a tiny model that knows its facts."""

from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.config import ConventionConfig, TrainConfig
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.procedures import Proceeded, procedures
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_sets

pytest.importorskip("pysat")
NAMES = list(procedures)
FAST: dict[str, dict[str, Any]] = {"clue": {"points": 1, "confirm": 0, "halvings": 0}}


def run(name: str, model=None, **changes: Any) -> Proceeded:
    """Two epochs over all four facts; weight decay must not reach what is outside of the mask."""
    options = {**FAST[name], **changes.pop("options", {})}
    others = {
        key: changes.pop(key) for key in ("sets", "folder", "resume", "phase", "convention", "never") if key in changes
    }
    usual = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "weight_decay": 0.1}
    config = TrainConfig(method=name, options=options, **{**usual, **changes})
    return procedures.get(name).function(model or taught_model(), others.pop("sets", tiny_sets()), config, **others)


@pytest.mark.parametrize("name", NAMES)
def test_the_change_is_within_the_mask_and_the_model_as_it_was(name: str) -> None:
    model = taught_model()
    before = bits(model)
    found = run(name, model)
    assert_same_bits(before, bits(model))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.network.parameters())
    assert not model.network.training
    with found.trained.change.applied_to(model):
        after = bits(model)
    assert_same_bits(before, bits(model))
    assert any(not torch.equal(before[each], after[each]) for each in before)
    for each, tensor in after.items():
        outside = found.mask.outside(each)
        assert torch.equal(before[each][outside].view(torch.int32), tensor[outside].view(torch.int32)), each
    assert set(found.trained.change.names) <= set(found.mask)
    assert 0 < found.chosen <= found.units and found.notes and found.granularity
    start, *rest = found.trained.points
    assert start.step == 0 and [point.step for point in rest] == sorted({point.step for point in rest})
    assert found.trained.kept in found.trained.points


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for number in range(2):
        run(name).trained.change.save(tmp_path / f"{number}.safetensors")
    one, other = (tmp_path / f"{number}.safetensors" for number in range(2))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_takes_only_its_own_options(name: str) -> None:
    entry = procedures.get(name)
    assert entry.summary and entry.paper.startswith("arXiv:") and entry.function.__doc__
    entry.check(TrainConfig(method=name))
    with pytest.raises(ConfigError, match="no_such_option"):
        entry.check(TrainConfig(method=name, options={"no_such_option": 1}))


@pytest.mark.parametrize("name", NAMES)
def test_without_sets_nothing_begins(name: str) -> None:
    sets = tiny_sets()
    for missing in (Sets(forget=sets.forget), Sets(retain=sets.retain)):
        with pytest.raises(ConfigError):
            run(name, sets=missing, convention=ConventionConfig())
