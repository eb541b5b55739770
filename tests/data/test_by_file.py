"""Sets of several files, apart again: by what every kind of file writes into `source`."""

import json
from pathlib import Path

import pytest

from expunge.data.by_file import by_file
from expunge.data.example import Example
from expunge.data.sets import load_data


def rows(name: str) -> list[dict[str, str]]:
    return [{"prompt": f"{name} {i} ?", "answer": f"{name}{i}"} for i in range(3)]


def write(path: Path, kind: str) -> None:
    some = rows(path.parent.name)
    if kind == "parquet":
        table, writing = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        writing.write_table(table.Table.from_pylist(some), path)
    elif kind == "csv":
        path.write_text("prompt,answer\n" + "".join(f"{row['prompt']},{row['answer']}\n" for row in some))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in some))
    else:  # an array in one line, or in one for each row
        path.write_text(json.dumps(some) if kind == "json" else json.dumps(some, indent=1))


@pytest.mark.parametrize("kind", ["jsonl", "json", "json with lines", "csv", "parquet"])
@pytest.mark.parametrize("alike", [False, True])
def test_a_set_for_each_file(kind: str, alike: bool, tmp_path: Path) -> None:
    """Whether the files are called alike, so that they go by their paths, or not."""
    suffix = kind.split()[0]
    paths = [tmp_path / folder / f"{'same' if alike else folder}.{suffix}" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        write(path, kind)
    retain = load_data(retain=paths).retain
    found = by_file(retain)
    assert list(found) == [f"retain ({path if alike else path.name})" for path in paths]
    assert [[example.answer for example in some] for some in found.values()] == [
        [row["answer"] for row in rows(name)] for name in ("one", "two")
    ]
    assert list(by_file(retain[:3])) == ["retain"]


def test_data_sets_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration may be a number, which is no line."""
    datasets = pytest.importorskip("datasets")
    load = lambda name, config: datasets.DatasetDict({"train": datasets.Dataset.from_list(rows(f"{name} {config}"))})
    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda _: ["2023", "2024"])
    names = ["hub:a/b", "hub:a/c", "hub:a/b:2023", "hub:a/b:2024:train"]
    found = by_file(load_data(retain=names).retain)
    assert {title: len(some) for title, some in found.items()} == {f"retain ({name})": 3 for name in names}


def test_what_is_from_no_file_is_one_set() -> None:
    made = [Example(str(i), None, "x") for i in range(3)]
    assert by_file(made, "forget") == {"forget": made}
    read = Example("3", None, "x", source="f.json:1#57")
    assert by_file([*made, read]) == {"retain (0)": made, "retain (f.json)": [read]}
