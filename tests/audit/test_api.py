"""`ex.audit`: the same as the command, on models in memory."""

from pathlib import Path

import pytest

import expunge as ex
from expunge.change.fingerprint import Fingerprint
from expunge.errors import ConfigError, DataError
from expunge.parameters import parameters_of
from tiny import tiny_model, tiny_sets

FEW = {"metrics": ("probability",), "max_new_tokens": 3}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path / "cache"))


def digest(model: ex.Model) -> str:
    return Fingerprint.of(parameters_of(model.network)).id


def test_audit_of_a_change(tmp_path: Path) -> None:
    model, gold = tiny_model(), tiny_model(seed=1)
    before = digest(model)
    change = ex.unlearn(model, tiny_sets(), "gradient_ascent", max_steps=2, learning_rate=1e-2)
    record = ex.audit(model, change, tiny_sets(), retrained=gold, attacks=("quantize",), evaluate=FEW)
    assert digest(model) == before
    found = record.audit
    assert found is not None and found.control == "retrained models" and found.rate is None
    cell = next(cell for cell in found.cells if cell.name == "probability")
    assert set(cell.k) == {"original", "unlearned", "retrained#0"}
    assert cell.k["unlearned"] != cell.k["original"]
    assert ex.report([record], tmp_path / "audit.html").is_file()


def test_mistakes_are_said_before_anything_is_run() -> None:
    model = tiny_model()
    change = ex.unlearn(model, tiny_sets(), max_steps=1)
    with pytest.raises(ConfigError, match="delta"):
        ex.audit(model, change, tiny_sets(), delta=3)
    with pytest.raises(ConfigError, match="leave its options out"):
        ex.audit(model, change, tiny_sets(), evaluate={"metrics": ("truth_ratio:form=forget",)})
    with pytest.raises(DataError, match="4 of 4 forget examples have no `margin_proxy`"):
        ex.audit(model, change, tiny_sets(), by="margin")
    with pytest.raises(ConfigError, match="nothing to audit"):
        ex.audit(model, change, ex.Sets(retain=tiny_sets().retain), attacks=("quantize",))
