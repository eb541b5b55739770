"""Outlines: the names, shapes and layout that the loaded model has, without its weights."""

from pathlib import Path
from typing import Any

import pytest

from expunge.change import WeightChange
from expunge.errors import ChangeError, ModelError, UnknownNameError
from expunge.models import hugging_face
from expunge.models.loading import load_model
from expunge.models.outline import check_name, outline_of
from expunge.parameters import parameters_of
from tiny import ARCHITECTURES, tiny_model


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading weights fails the test."""
    monkeypatch.setattr(hugging_face.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("loaded"))


def changed(folder: Path, **how: Any) -> Path:
    """A change of a tiny model in all of its weights."""
    weights = parameters_of(tiny_model(**how))
    result = {name: weights[name].detach() + 1 for name in weights}
    WeightChange.between({name: weights[name] for name in weights}, result).save(folder / "change.safetensors")
    return folder / "change.safetensors"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_the_loaded_model_without_its_weights(tmp_path: Path, arch: str) -> None:
    tiny_model(arch=arch).save(tmp_path)
    outline, model = outline_of(str(tmp_path)), load_model(str(tmp_path))
    assert outline is not None
    loaded = parameters_of(model)
    assert outline.shapes == {name: tuple(weight.shape) for name, weight in loaded.items()}
    assert list(outline.shapes) == list(loaded)
    assert parameters_of(outline).ties == loaded.ties
    assert outline.layout == model.layout
    assert all(weight.is_meta for weight in parameters_of(outline).values())


@pytest.mark.usefixtures("no_weights")
def test_a_change_is_held_against_its_base(tmp_path: Path) -> None:
    tiny_model().save(tmp_path / "base")
    base, change = tmp_path / "base", changed(tmp_path)
    outline = outline_of(f"{base}+{change}+{change}")
    assert outline is not None and outline.shapes == outline_of(str(base)).shapes  # type: ignore[union-attr]
    (tmp_path / "other").mkdir()
    for arch in ("gpt2", "opt"):
        other = changed(tmp_path / "other", arch=arch)
        with pytest.raises(ChangeError, match=r"other/change.safetensors does not go on .*base\+.*: .* is missing"):
            outline_of(f"{base}+{change}+{other}")


def test_names_that_mean_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hugging_face, "_reachable", lambda: False)
    change = changed(tmp_path)
    for name in ("nofile", f"nofile+{change}", f"nofile+{change}+{change}"):
        with pytest.raises(ModelError, match=r"'nofile' would have to come from the Hub, which cannot be reached"):
            check_name(name)
    with pytest.raises(UnknownNameError, match="is no model"):
        check_name(f"no model+{change}")
    tiny_model().save(tmp_path / "base")
    for name in ("smollm2", "world:people@full", str(tmp_path / "base"), f"{tmp_path / 'base'}+{change}+{change}"):
        check_name(name)


def test_what_was_downloaded_before_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = lambda name, file: f"/cache/{file}" if (name, file) == ("some/adapter", "adapter_config.json") else None
    monkeypatch.setattr(hugging_face, "_reachable", lambda: False)
    monkeypatch.setattr(hugging_face, "try_to_load_from_cache", cached)
    check_name("some/adapter")
