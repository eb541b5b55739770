"""`evaluate`, `report`, `ls`, `--json`, `--help`: what they print and where."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from expunge.cli.app import app
from expunge.record_file import load_record
from expunge.runs.listing import LISTS


def evaluate(expunge: Callable, files, *arguments: object):
    return expunge(
        "evaluate", "--model", files.model, "--forget", files.forget, "--metrics",
        "probability,generated_contains", "--max-new-tokens", "3", *arguments,
    )  # fmt: skip


def test_evaluate(expunge: Callable, files, tmp_path: Path) -> None:
    said = evaluate(expunge, files, "--holdout", files.holdout, "--out", tmp_path / "run")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert (record.command, record.status) == ("evaluate", "done")
    assert set(record.before) == {"forget", "forget, wording 2", "holdout"}
    assert set(record.before["forget"]) == {"probability", "generated_contains"}
    assert set(record.between) == {"loss_auc", "min_k_auc"}
    assert record.glossary["loss_auc"].title == "Loss: AUC"
    assert f"report: {tmp_path / 'run' / 'report.html'}" in said.out
    assert evaluate(expunge, files, "--holdout", files.holdout, "--out", tmp_path / "run").code == 2
    assert evaluate(expunge, files, "--holdout", files.holdout, "--out", tmp_path / "run", "--resume").code == 0


def test_json_is_one_document_on_stdout(unlearn: Callable, expunge: Callable, files, tmp_path: Path) -> None:
    run = unlearn("--json")
    assert json.loads(run.out) == json.loads((tmp_path / "run" / "record.json").read_text())
    seen = evaluate(expunge, files, "--out", tmp_path / "seen", "--json")
    assert json.loads(seen.out)["command"] == "evaluate"
    page = expunge("report", tmp_path / "run", "--out", tmp_path / "r.md", "--json")
    assert json.loads(page.out) == {"report": str(tmp_path / "r.md")}
    listed = expunge("ls", "--json")
    assert {tuple(entry) for entry in json.loads(listed.out)} == {("name", "aliases", "summary", "citation")}
    wrong = unlearn("--json", "--out", tmp_path / "other", "--method", "nop")
    assert (wrong.code, wrong.out) == (2, "")


def test_report_of_several_runs(unlearn: Callable, expunge: Callable, tmp_path: Path) -> None:
    assert unlearn("--out", tmp_path / "one").code == 0
    assert unlearn("--out", tmp_path / "two", "--method", "simnpo").code == 0
    for name in ("both.html", "both.md", "both.json"):
        said = expunge("report", tmp_path / "one", tmp_path / "two" / "record.json", "--out", tmp_path / name)
        assert said.code == 0, said.err
        text = (tmp_path / name).read_text()
        assert "npo" in text
        assert "simnpo" in text
    assert expunge("report", tmp_path / "none", "--out", tmp_path / "x.html").code == 2
    assert expunge("report", tmp_path / "one", "--out", tmp_path / "x.pdf").code == 2


@pytest.mark.parametrize("kind", LISTS)
def test_ls(expunge: Callable, kind: str) -> None:
    entries = json.loads(expunge("ls", kind, "--json").out)
    assert entries
    table = expunge("ls", kind)
    assert table.code == 0
    for entry in entries:
        assert isinstance(entry["name"], str)
        assert entry["name"] in table.out


def test_ls_of_what_there_is_not(expunge: Callable) -> None:
    said = expunge("ls", "objectivs")
    assert (said.code, said.out) == (2, "")
    assert "objectives" in said.err


def test_version_and_help(expunge: Callable) -> None:
    assert re.fullmatch(r"expunge \d+\.\d+\.\d+\n", expunge("--version").out)
    shown = expunge("--help")
    assert shown.code == 0
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert re.search(rf"^  {name} ", shown.out, re.MULTILINE)
        assert not (command.short_help or "").endswith("...")
        for part in getattr(command, "commands", None) or [""]:  # `world` has two of its own
            own = expunge(*filter(None, (name, part)), "--help")
            assert (own.code, "Example:" in own.out or name in ("demo",)) == (0, True)
    assert "..." not in shown.out.split("Commands:")[1]  # every line fits
    assert expunge().code == 2


@pytest.mark.parametrize(
    "code",
    [
        "import expunge; [getattr(expunge, n) for n in ('Record', 'Sets', 'ExpungeError', 'load_record')]",
        "from expunge.cli.app import run; run(['--help'])",
        "from expunge.cli.app import run; run(['unlearn', '--help'])",
        "from expunge.cli.app import run; run(['report', 'nowhere'])",
        "from expunge.cli.app import run; run(['unlearn', '--forget', 'f.jsonl', '--epochs', 'x'])",
    ],
)
def test_no_torch_where_none_is_needed(code: str) -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'scipy', 'peft', 'accelerate', 'datasets'}"
    check = f"{code}\nimport sys; found = {heavy} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
