"""Where official files come from: a folder, else the Hub; names, endings, bare texts."""

import json
from pathlib import Path
from typing import Any

import pytest

from expunge.data.problems import Place, Problems
from expunge.data.rows import Row, Table
from expunge.suites.files import Files
from suites.official import write_json, write_lines

VARIABLE = "EXPUNGE_SOMETHING"


def files(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> Files:
    monkeypatch.setenv(VARIABLE, str(folder or ""))
    return Files(VARIABLE, Problems())


def texts(table: Table) -> list[Any]:
    return [row.values["text"] for row in table.rows]


def test_the_first_name_that_is_there_with_any_ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_lines(tmp_path / "deep/second.jsonl", [{"text": "two"}])
    found = files(monkeypatch, tmp_path)
    table = found.read("first", "deep/second", hub="some/set")
    assert (texts(table), str(table.rows[0].place)) == (["two"], "deep/second.jsonl:1")
    write_json(tmp_path / "first.json", [{"text": "one"}])
    assert texts(found.read("first", "deep/second", hub="some/set")) == ["one"]
    assert not found.problems.found


def test_the_hubs_parquet_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"]}), tmp_path / "forget-00000-of-00001.parquet")
    assert texts(files(monkeypatch, tmp_path).read("forget", hub="some/set")) == ["a", "b"]


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_bare_texts_are_documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str) -> None:
    values = ["One.", "Two\nlines."]
    text = json.dumps(values) if ending == "json" else "\n".join(json.dumps(each) for each in values) + "\n"
    (tmp_path / f"raw.{ending}").write_text(text)
    found = files(monkeypatch, tmp_path)
    assert [each.answer for each in found.examples("raw", hub="some/set")] == values
    (tmp_path / f"raw.{ending}").write_text(text.replace('"One."', "1"))
    found.examples("raw", hub="some/set")
    assert "not an object" in str(found.problems.found[0])


def test_a_missing_file_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = files(monkeypatch, tmp_path)
    assert not found.read("a", "b", hub="some/set").rows
    assert "a.json or b.json: there is no such file (in the folder of EXPUNGE_SOMETHING" in str(found.problems.found[0])


def test_without_a_folder_the_hub_is_asked_until_a_file_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further one would be tried for half a minute where there is no network."""
    asked: list[str] = []

    def read_hub(text: str, problems: Problems) -> Table:
        asked.append(text)
        if "first" in text:
            return Table(text, [Row(Place(text, row=1), {"text": "one"})])
        problems.add(Place(text), None, "cannot be loaded: offline")
        return Table(text)

    monkeypatch.setattr("expunge.suites.files.read_hub", read_hub)
    found = files(monkeypatch, None)
    assert texts(found.read("first", hub="some/set:first:train")) == ["one"]
    for name in ("second", "third", "fourth"):
        assert not found.read(name, hub=f"some/set:{name}:train").rows
    assert asked == ["hub:some/set:first:train", "hub:some/set:second:train"]
    said = [str(problem) for problem in found.problems.found]
    assert sum(line.startswith("EXPUNGE_SOMETHING: is not set") for line in said) == 1
