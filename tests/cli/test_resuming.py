"""`--resume` where something else lies under the names that were given: it says what, and leaves all as it was."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.mask import Mask
from expunge.record_file import load_record, save_record
from expunge.runs.given import given_files
from expunge.runs.localizing import kept_mask
from expunge.runs.phases import Phases
from tiny import tiny_model, tiny_sets

Run = Callable[..., Any]
COMMANDS = {
    "unlearn": ("--max-steps", 1),
    "finetune": ("--max-steps", 1),
    "evaluate": ("--metrics", "probability"),
    "relate": (),
    "circuits": ("--points", 1, "--pairs", 2),
}


@pytest.fixture
def own(files: Any, tmp_path: Path) -> Path:
    """A folder with a model and sets that a test may change."""
    shutil.copytree(files.model, tmp_path / "model")
    for name in ("forget", "retain"):
        shutil.copy(getattr(files, name), tmp_path / f"{name}.jsonl")
    return tmp_path


@pytest.fixture
def call(expunge: Run, own: Path) -> Run:
    def called(command: str, *more: object) -> Any:
        given = {"--model": own / "model", "--forget": own / "forget.jsonl", "--retain": own / "retain.jsonl"}
        if command == "finetune":
            given = {"--model": own / "model", "--data": own / "forget.jsonl"}
        parts = (part for pair in given.items() for part in pair)
        return expunge(command, *parts, *COMMANDS[command], "--out", own / "run", *more)

    return called


def answer_otherwise(path: Path) -> str:
    """Another answer in the first row; returns what the file held."""
    before = path.read_text()
    first, *rest = before.splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), "answer": "city"}), *rest]) + "\n")
    return before


def as_it_lies(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_other_data_or_another_model_than_that_of_a_run_that_is_done(
    call: Run, own: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "circuits":
        pytest.importorskip("pysat")
    first = call(command)
    assert first.code == 0, first.err
    record = load_record(own / "run")
    assert record.model is not None and record.model.files
    unloaded = lambda *_, **__: pytest.fail("the model was loaded")
    with monkeypatch.context() as patched:
        patched.setattr(f"expunge.runs.{command}.load_model", unloaded)
        assert "is done" in call(command, "--resume").err
    (own / "run" / "report.html").unlink()
    left = as_it_lies(own / "run")
    data = answer_otherwise(own / "forget.jsonl")
    said = call(command, "--resume")
    name = "data" if command == "finetune" else "forget"
    assert said.code == 2 and f"these are others now: {name}. Give what they were, or begin" in said.err
    (own / "forget.jsonl").write_text(data)
    for path in (own / "model").iterdir():
        os.utime(path, (1, 1))  # as after a copy: the weights are looked at, and are the same
    said = call(command, "--resume")
    assert said.code == 0 and "is done" in said.err, said.err
    (own / "run" / "report.html").unlink()
    shutil.rmtree(own / "model")
    tiny_model(seed=7, attention="sdpa").save(own / "model")
    said = call(command, "--resume")
    assert said.code == 2 and "has other weights now" in said.err
    assert as_it_lies(own / "run") == left
    answer_otherwise(own / "forget.jsonl")  # a run from before this was recorded is taken at its word
    save_record(record.updated(given={}, model=record.model.model_copy(update={"files": ""})), own / "run")
    monkeypatch.setattr(f"expunge.runs.{command}.load_model", unloaded)
    said = call(command, "--resume")
    assert said.code == 0 and "is done" in said.err


def test_other_answers_than_those_that_a_killed_run_began_with(call: Run, own: Path, monkeypatch: Any) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("expunge.runs.unlearn.save_model", killed)
        assert call("unlearn").code == 130
    left = as_it_lies(own / "run")
    data = answer_otherwise(own / "retain.jsonl")
    said = call("unlearn", "--resume")
    assert said.code == 2 and "others now: retain" in said.err
    assert as_it_lies(own / "run") == left
    (own / "retain.jsonl").write_text(data)
    assert call("unlearn", "--resume").code == 0
    assert load_record(own / "run").status == "done"


def test_a_planted_world_with_another_mask(expunge: Run, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("expunge.runs.inject.load_model", lambda *_, **__: tiny_model())
    monkeypatch.setattr("expunge.runs.inject.check_lengths", lambda *_: None)
    monkeypatch.setattr("expunge.runs.inject.taught", lambda record, *_, **__: record.updated(status="done"))
    network, mask = tiny_model().network, tmp_path / "region.safetensors"
    name = next(name for name, _ in network.named_parameters() if "down_proj" in name)
    Mask.of(network, {name: (1, [1, 2])}).save(mask)
    given = ("world", "inject", "people:persons=6,size=tiny", "--mask", mask, "--out", tmp_path / "run")
    assert expunge(*given).code == 0
    assert "is done" in expunge(*given, "--resume").err
    Mask.of(network, {name: (1, [1, 3])}).save(mask)
    said = expunge(*given, "--resume")
    assert said.code == 2 and f"others now: {mask}" in said.err


def test_a_mask_that_was_made_on_other_sets(tmp_path: Path) -> None:
    model, sets = tiny_model(), tiny_sets()
    config = LocalizeConfig(localizer="random", budget=0.25)
    given = (config, Encoder(model.tokenizer), Phases(), tmp_path)
    mask, _ = kept_mask(model, sets, *given, resume=False)
    assert kept_mask(model, sets, *given, resume=True)[0] == mask
    with pytest.raises(ConfigError, match="made on other sets"):
        kept_mask(model, Sets(forget=sets.forget[:1], retain=sets.retain), *given, resume=True)


def test_what_a_name_leads_to(tmp_path: Path) -> None:
    for name, text in (("base/model.safetensors", "1"), ("change.safetensors", "2")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    both = f"{tmp_path / 'base'}+{tmp_path / 'change.safetensors'}"
    first = given_files(both, None, "smollm2", "owner/name")
    assert first.keys() == {both}
    for name in ("change.safetensors", "base/model.safetensors"):
        (tmp_path / name).write_text("3")
        assert given_files(both) != first
        first = given_files(both)
    (tmp_path / "base" / "report.html").write_text("a page")
    assert given_files(both) == first
