"""What runs write is known, so that it can be taken away: here of studies and demo, which take long to run."""

from pathlib import Path

import pytest

from expunge.bench.worker import note_on
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.demo import METHODS
from expunge.runs.written import strangers
from expunge.studies import studies


@pytest.mark.parametrize("name", list(studies))
def test_every_study(name: str, tmp_path: Path) -> None:
    study, record = studies.get(name), Record(command=f"study {name}")
    save_record(record, tmp_path)
    jobs = study.jobs(study.settings(), tmp_path)
    for job in jobs:
        (job.folder / "more").mkdir(parents=True, exist_ok=True)
        note_on(job.folder).write_text("{}")
        job.folder.with_name(f".{job.folder.name}.lock").touch()
    assert jobs and strangers(tmp_path, record) == []
    (tmp_path / "notes.txt").write_text("mine")
    assert strangers(tmp_path, record) == ["notes.txt"]


def test_the_demo(tmp_path: Path) -> None:
    for name in METHODS:
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    assert strangers(tmp_path, Record(command="demo")) == []


def test_a_model_folder_holds_what_its_record_names(tmp_path: Path) -> None:
    """Of an older one that names nothing, what model folders have."""
    for name in ("model.safetensors", "tokenizer.json", "odd [1].txt"):
        (tmp_path / name).touch()
    named = Record(command="apply", holds=("model.safetensors", "tokenizer.json", "odd [1].txt"))
    assert strangers(tmp_path, named) == []
    assert strangers(tmp_path, Record(command="apply")) == ["odd [1].txt"]
    (tmp_path / "config.json").touch()
    assert strangers(tmp_path, named) == ["config.json"]


def test_folders_are_looked_into_where_others_may_have_put_something(tmp_path: Path) -> None:
    for place in ("models/a.failed.json", "models/mine.gguf", "full-0/record.json", "full-0/mine.txt", "empty"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "empty").unlink()
    (tmp_path / "empty").mkdir()
    assert strangers(tmp_path, Record(command="bench")) == ["empty", "full-0", "models/mine.gguf"]
    assert strangers(tmp_path, Record(command="world make")) == [
        "full-0/mine.txt", "models/a.failed.json", "models/mine.gguf",
    ]  # fmt: skip
