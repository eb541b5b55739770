"""What is there is replaced only where that is asked for, and what a command reads never."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.errors import ChangeError
from expunge.mask import Mask
from expunge.record import Record
from expunge.record_file import load_record, save_record
from expunge.report import write_report
from expunge.runs.folder import CHECKPOINTS, check_inputs, discard

SUITE = "world:people:persons=6,size=tiny"
Run = Callable[..., Any]


@pytest.fixture
def localize(expunge: Run, files: Any, no_model: None, tmp_path: Path) -> Run:
    """`expunge localize` into `tmp_path/facts.safetensors`, on facts.json beside it."""
    (tmp_path / "facts.json").write_text(f"[{','.join(Path(files.forget).read_text().splitlines())}]")

    def call(*arguments: object) -> Any:
        forget = () if "--forget" in arguments else ("--forget", tmp_path / "facts.json")
        out = () if "--out" in arguments else ("--out", tmp_path / "facts.safetensors")
        by = () if "--localizer" in arguments else ("--localizer", "random")
        return expunge("localize", "--model", files.model, *by, *forget, *out, *arguments)

    return call


@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_what_stands_beside_a_mask_stays(localize: Run, files: Any, tmp_path: Path, more: tuple[str, ...]) -> None:
    facts = (tmp_path / "facts.json").read_bytes()
    said = localize(*more)
    assert said.code == 2 and f"its record would be {tmp_path / 'facts.json'}" in said.err
    assert (tmp_path / "facts.json").read_bytes() == facts
    (tmp_path / "mask.html").write_text("mine")
    said = localize("--out", tmp_path / "mask.safetensors", *more)
    assert said.code == 2 and "mask.html" in said.err
    assert (tmp_path / "mask.html").read_text() == "mine"
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_mask_that_is_read_is_not_replaced_and_an_earlier_one_is(localize: Run, files: Any, tmp_path: Path) -> None:
    mask = tmp_path / "mask.safetensors"
    Mask.everything({"a": torch.ones(2)}).save(mask)
    save_record(Record(command="localize"), tmp_path / "mask.json")
    write_report(Record(command="localize"), tmp_path / "mask.html")
    given = ("--forget", files.forget, "--out", mask)
    said = localize(*given)
    assert said.code == 2 and "add --overwrite" in said.err
    for read in (("--truth", mask), ("--localizer", f"random:outside={mask}")):
        said = localize(*given, *read, "--overwrite")
        assert said.code == 2 and "which this run reads" in said.err
    with pytest.raises(pytest.fail.Exception, match="the model was loaded"):  # so nothing was wrong before
        localize(*given, "--overwrite")


@pytest.mark.parametrize("kind", ["html", "md", "json"])
def test_a_report_replaces_reports_and_what_it_is_told_to(expunge: Run, tmp_path: Path, kind: str) -> None:
    save_record(Record(command="evaluate", status="done"), tmp_path / "run")
    out = tmp_path / f"report.{kind}"
    out.write_text('{"mine": 1}')
    given = ("report", tmp_path / "run", "--out", out)
    said = expunge(*given)
    assert said.code == 2 and "--overwrite" in said.err
    assert out.read_text() == '{"mine": 1}'
    assert expunge(*given, "--overwrite").code == 0
    assert expunge(*given).code == 0


@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_a_report_never_replaces_a_record(expunge: Run, tmp_path: Path, more: tuple[str, ...]) -> None:
    save_record(Record(command="evaluate", status="done"), tmp_path / "one")
    keep = save_record(Record(command="evaluate", status="done"), tmp_path / "keep.json")
    keep.write_text(json.dumps(dict(reversed(json.loads(keep.read_text()).items()))))  # as another program writes it
    before = keep.read_bytes()
    for run in (tmp_path / "one", keep):
        assert expunge("report", run, "--out", keep, *more).code == 2
        assert keep.read_bytes() == before


def test_a_record_never_replaces_what_is_converted(expunge: Run, tmp_path: Path) -> None:
    file = tmp_path / "TOFU_EVAL.json"
    file.write_text(json.dumps({"forget_Q_A_Prob": {"agg_value": 0.3}}))
    before = file.read_bytes()
    (tmp_path / "link.json").symlink_to(file)
    for place in (file, tmp_path / "link.json"):
        said = expunge("convert", file, "--out", place, "--overwrite")
        assert said.code == 2 and "would replace the file that is read" in said.err
    other = save_record(Record(command="unlearn"), tmp_path / "run")
    for place in (other, other.parent):
        said = expunge("convert", file, "--out", place, "--overwrite")
        assert said.code == 2 and "is no record of `expunge convert`" in said.err
    assert file.read_bytes() == before and load_record(other).command == "unlearn"


def test_an_out_that_is_a_link(expunge: Run, tmp_path: Path) -> None:
    """What it points to is emptied, not the link, and not what lies behind links in it."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    out = tmp_path / "tasks"
    out.symlink_to(tmp_path / "disk")
    given = ("convert", SUITE, "--to", "lm-eval", "--out", out)
    assert expunge(*given).code == 0
    (out / "expunge_old.yaml").write_text("old")
    (out / "__pycache__").symlink_to(tmp_path / "data")
    said = expunge(*given, "--overwrite")
    assert said.code == 0, said.err
    assert out.is_symlink() and load_record(tmp_path / "disk").status == "done"
    assert not (out / "expunge_old.yaml").exists() and not (out / "__pycache__").is_symlink()
    assert (tmp_path / "data" / "mine.txt").read_text() == "mine"
    out.unlink()
    out.symlink_to(tmp_path / "new" / "disk")  # of a folder that there is not yet
    said = expunge(*given)
    assert said.code == 0, said.err
    assert load_record(tmp_path / "new" / "disk").status == "done"


def test_what_no_run_wrote_is_never_taken_away(unlearn: Run, no_model: None, tmp_path: Path) -> None:
    """Files and folders of somebody else, also beside what a run wrote, and a record of another program."""
    out = tmp_path / "run"
    save_record(Record(command="unlearn", status="done"), out)
    for mine in ("notes.txt", "papers/2024.pdf", "forget.jsonl", "cells/final-0/record.json", "mask.json"):
        (out / mine).parent.mkdir(parents=True, exist_ok=True)
        (out / mine).write_text("mine")
        said = unlearn("--overwrite")
        assert said.code == 2 and f"{Path(mine).parts[0]} in it is none of what `expunge unlearn` writes" in said.err
        assert (out / mine).read_text() == "mine" and load_record(out).status == "done"
        shutil.move(out / Path(mine).parts[0], tmp_path / f"moved {Path(mine).parts[0]}")
    for record in ('{"title": "Blue Train"}', "[]", "vinyl", '{"format": "expunge-record", "schema_version": 1}'):
        (out / "record.json").write_text(record)
        (out / "src").mkdir(exist_ok=True)
        (out / "src" / "main.py").write_text("mine")
        said = unlearn("--overwrite")
        assert said.code == 2 and "the record.json in it is none that can be read here" in said.err
        assert (out / "record.json").read_text() == record and (out / "src" / "main.py").exists()
    shutil.rmtree(out / "src")
    save_record(Record(command="localize", status="done"), out)
    said = unlearn("--overwrite")
    assert said.code == 2 and "of `expunge localize`, which makes none" in said.err
    save_record(Record(command="unlearn", status="failed"), out)
    for left in ("change.safetensors", "checkpoints/x", "model/config.json", ".record.json.0a1b.partial", ".DS_Store"):
        (out / left).parent.mkdir(exist_ok=True)
        (out / left).write_text("a run's")
    with pytest.raises(pytest.fail.Exception, match="the model was loaded"):  # so nothing was wrong before
        unlearn("--overwrite")


@pytest.mark.parametrize(
    "given",
    [
        ("--localize", "random:budget=0.25,outside={}/mask.safetensors"),
        ("--localize", "oracle:mask={}/mask.safetensors"),
        ("--config", "{}/model/recipe.yaml"),
        ("--retain", "{}/model/facts.json#locality"),
        ("--retain", "other.jsonl, {}/model/facts.json"),
        ("--twins", "{}/model/facts.json"),
    ],
)
def test_what_is_read_is_never_taken_away(unlearn: Run, no_model: None, tmp_path: Path, given: tuple[str, str]) -> None:
    out = tmp_path / "run"
    save_record(Record(command="unlearn", status="done"), out)
    (out / "model").mkdir()
    Mask.everything({"a": torch.ones(2)}).save(out / "mask.safetensors")
    (out / "model" / "recipe.yaml").write_text("include_text: true\n")
    (out / "model" / "facts.json").write_text('[{"prompt": "what", "answer": "city"}]')
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    said = unlearn(*(part.format(out) for part in given), "--overwrite")
    assert said.code == 2 and "which this run reads" in said.err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_what_is_planted_by_is_never_taken_away(expunge: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    save_record(Record(command="world inject", status="done"), out)
    Mask.everything({"a": torch.ones(2)}).save(out / "mask.safetensors")
    (out / "model").mkdir()
    (out / "model" / "config.json").write_text("{}")
    for read in (("--mask", out / "mask.safetensors"), ("--model", out / "model")):
        said = expunge("world", "inject", "people:persons=6,size=tiny", *read, "--out", out, "--overwrite")
        assert said.code == 2 and "which this run reads" in said.err
    assert (out / "mask.safetensors").exists() and (out / "model" / "config.json").exists()


def test_names_that_are_no_paths_are_no_obstacle(tmp_path: Path) -> None:
    names = ("~nobody-at-all/x", ",".join(["a-long-name.jsonl"] * 300), "a,,b", "#", "hub:owner/name", None)
    check_inputs(tmp_path, names, overwrite=True)


@pytest.mark.parametrize(
    "command",
    [
        ("demo",),
        ("convert", SUITE, "--to", "lm-eval"),
        ("extrapolate", "--base", "a", "--tuned", "b", "--alpha", "1"),
        ("merge", "--base", "a", "--tuned", "b", "--method", "add"),
        ("apply", "--model", "a", "--change", "b"),
        ("revert", "--model", "a", "--change", "b"),
    ],
)
def test_only_options_that_there_are_are_named(expunge: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = expunge(*command, "--out", tmp_path)
    assert said.code == 2 and "the folder is not empty" in said.err
    assert "--overwrite" in said.err and "--resume" not in said.err
    said = expunge(*command, "--out", tmp_path, "--overwrite")
    assert said.code == 2 and "no record.json" in said.err
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("command", "more", "says"),
    [
        ("unlearn", (), "interrupted; the same command with --resume goes on\n"),
        ("unlearn", ("--overwrite",), "interrupted; the same command with --resume in place of --overwrite goes on\n"),
        ("evaluate", (), "interrupted; the same command goes on\n"),
        ("evaluate", ("--overwrite",), "interrupted; the same command goes on\n"),
        ("evaluate", ("--no-cache",), "interrupted\n"),
    ],
)
def test_what_an_interruption_says(
    expunge: Run, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, more: Any, says: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"expunge.runs.{command}.run_{command}", interrupt)
    said = expunge(command, "--model", files.model, "--forget", files.forget, "--out", tmp_path / "out", *more)
    assert (said.code, said.err) == (130, says)


def test_a_run_that_fails_at_its_end_can_be_replaced(unlearn: Run, tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ChangeError("no")

    with monkeypatch.context() as patched:
        patched.setattr("expunge.runs.unlearn.save_model", refuse)
        assert unlearn().code == 2
    assert load_record(tmp_path / "run").status == "failed"
    assert (tmp_path / "run" / "change.safetensors").exists()
    assert unlearn("--overwrite", "--max-steps", 1).code == 0


@pytest.mark.parametrize("name", ["circuits.json", "circuits-again.json", "step-4", "second-0/step-4"])
def test_what_took_long_is_not_thrown_away(tmp_path: Path, name: str) -> None:
    """Checkpoints may lie a folder deeper, and circuits are as long in the making."""
    out = tmp_path / "run"
    save_record(Record(command="unlearn"), out)
    (out / CHECKPOINTS / "first").mkdir(parents=True)
    made = out / CHECKPOINTS / name
    made.parent.mkdir(exist_ok=True)
    made.write_text("{}")
    assert not discard(out) and made.exists() and (out / "record.json").exists()
    made.unlink()
    assert discard(out) and not out.exists()
