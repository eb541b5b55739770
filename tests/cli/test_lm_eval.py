"""`expunge evaluate --lm-eval`: its results beside ours, its mistakes before the model is loaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from expunge.data.example import Sets
from expunge.errors import OutputError
from expunge.record_file import load_record
from expunge.runs.export import run_export
from expunge.suites.suite import Suite
from tiny import tiny_sets

pytest.importorskip("lm_eval", reason="lm-eval is not installed (extra lm-eval)")

SECRET = "Quimper"


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An exported suite."""
    rows = [replace(each, perturbed_answers=(f"{SECRET} city", "name")) for each in tiny_sets().forget]
    made = Suite(name="made:up", sets=Sets(forget=tuple(rows)))
    monkeypatch.setattr("expunge.runs.export.find_suite", lambda _: made)
    record = run_export("made:up", tmp_path / "tasks")
    assert record == load_record(tmp_path / "tasks") and record.status == "done"
    assert SECRET not in (tmp_path / "tasks" / "record.json").read_text()
    with pytest.raises(OutputError):
        run_export("made:up", tmp_path / "tasks")
    run_export("made:up", tmp_path / "tasks", overwrite=True)
    return str(tmp_path / "tasks" / "expunge_made_up_forget.yaml")


def test_its_results_stand_beside_ours(expunge: Callable, files, task: str, tmp_path: Path) -> None:
    usual = ("evaluate", "--model", files.model, "--lm-eval", f"{task}:limit=3")
    both = expunge(*usual, "--forget", files.forget, "--metrics", "probability", "--out", tmp_path / "both", "--json")
    assert both.code == 0, both.err
    json.loads(both.out)
    record = load_record(tmp_path / "both")
    name = "lm-eval: expunge_made_up_forget"
    assert set(record.sets) >= {"forget", name}
    found = record.before[name]["lm_eval_acc"]
    assert (found.n, record.sets[name].n, record.sets[name].role) == (3, 3, "test")
    assert record.glossary["lm_eval_acc"].title == "acc"
    texts = [path.read_bytes() for path in (tmp_path / "both").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in text for text in (*texts, both.out.encode(), both.err.encode()))
    assert (tmp_path / "both" / "report.html").is_file()
    alone = expunge(*usual, "--out", tmp_path / "alone")
    assert alone.code == 0, alone.err
    assert list(load_record(tmp_path / "alone").before) == [name]


def test_mistakes_come_first(expunge: Callable, files, no_model: None, tmp_path: Path) -> None:
    usual = ("evaluate", "--model", files.model, "--out", tmp_path / "out", "--lm-eval")
    assert "no option 'shot'" in expunge(*usual, "arc_easy:shot=3").err
    assert expunge(*usual, str(tmp_path / "none.yaml")).code == 2
    assert not (tmp_path / "out").exists()
