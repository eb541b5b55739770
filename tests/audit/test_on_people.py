"""What the audit says of models whose truth is known: `world:people` with its defaults, the full panel.

Slow: five models are trained from nothing, once (they are kept in the cache), and seven are attacked.
"""

from functools import lru_cache
from pathlib import Path

import pytest
import torch

from expunge.config import AuditRunConfig, EvaluateConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.evaluate.measure import measure
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.record_audit import Audit
from expunge.runs.audit import run_audit
from expunge.runs.suites import settled
from expunge.suites import Suite
from expunge.train.unlearn import train
from expunge.worlds.finding import find_suite

pytestmark = pytest.mark.slow
BEFORE = "world:people@full"


@lru_cache
def world() -> Suite:
    return find_suite("world:people")


def audited(after: str, out: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> Audit:
    retrained = [f"world:people@retrained#{seed}" for seed in seeds]
    values = {"before": BEFORE, "after": after, "retrained": retrained, "suite": "world:people"}
    config, suite = settled(AuditRunConfig, values)
    found = run_audit(config, out, suite=suite).audit
    assert found is not None and found.panel == "v1" and not found.missing
    return found


def count(audit: Audit, status: str) -> int:
    return sum(cell.status == status for cell in audit.cells)


def test_a_retrained_seed_left_out_passes(tmp_path: Path) -> None:
    found = audited("world:people@retrained#3", tmp_path / "run")
    informative = len(found.cells) - count(found, "uninformative")
    # five in a hundred by chance, on each side
    assert count(found, "known") <= 0.05 * informative
    assert count(found, "over-forgotten") <= 0.05 * informative
    assert found.rate is not None and found.rate >= 0.8
    assert found.ceiling is not None and found.ceiling.rate is not None and found.ceiling.rate >= 0.8


def test_the_original_passes_nothing(tmp_path: Path) -> None:
    found = audited(BEFORE, tmp_path / "run")
    assert found.rate == 0.0
    assert len(found.families) == 10 and all(each.informative for each in found.families.values())


def test_halfway_is_not_there(tmp_path: Path) -> None:
    """Weights between the original and a retrained model, where the forget probability is midway."""
    model, other = load_model(BEFORE), load_model("world:people@retrained#0")
    ends = [{name: w.clone() for name, w in each.network.state_dict().items()} for each in (model, other)]
    low, high = 0.0, 1.0
    middle = (_at(model, ends, 0.0) + _at(model, ends, 1.0)) / 2
    for _ in range(10):
        share = (low + high) / 2
        low, high = (share, high) if _at(model, ends, share) > middle else (low, share)
    assert _at(model, ends, low) == pytest.approx(middle, abs=0.02)
    model.save(tmp_path / "halfway")
    found = audited(str(tmp_path / "halfway"), tmp_path / "run")
    assert found.rate is not None and found.rate <= 0.2


def _at(model: Model, ends: list[dict[str, torch.Tensor]], share: float) -> float:
    """The forget probability of the mixed weights, which the model then has."""
    model.network.load_state_dict({name: torch.lerp(weight, ends[1][name], share) for name, weight in ends[0].items()})
    encoder, config = Encoder(model.tokenizer, world().convention), EvaluateConfig(metrics=("probability",))
    return measure(model, {"forget": world().sets.forget}, encoder, config)["forget"]["probability"].value


def test_a_planted_suppression_is_caught(tmp_path: Path) -> None:
    """An adapter that was taught to refuse: the answers are silenced, the knowledge stays."""
    model = load_model(BEFORE)
    config = TrainConfig(method="idk", lora=8, epochs=6, learning_rate=3e-3, batch_size=32)
    done = train(model, world().sets, config, convention=world().convention)
    done.change.save_peft(tmp_path / "adapter", BEFORE)
    found = audited(str(tmp_path / "adapter"), tmp_path / "run")
    said = next(cell for cell in found.cells if cell.name == "generated_contains")
    assert said.k["unlearned"] is not None and said.k["unlearned"] <= 0.2  # it is silenced
    caught = [name for name, each in found.families.items() if each.known and name not in ("likelihood", "generation")]
    assert len(caught) >= 2, caught
