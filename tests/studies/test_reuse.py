"""A study goes on from its jobs.jsonl on a machine that has nothing else of it."""

import json
from pathlib import Path

import pytest

from expunge.bench.jobs_file import JOBS, read
from expunge.errors import OutputError, UsageError
from expunge.studies import RESULT
from expunge.studies.results import read_result
from expunge.studies.running import publish, run_study, take
from made_up_study import STUDY, Settings

pytestmark = pytest.mark.usefixtures("in_this_process")
WHOLE = '{"job":"sum","more":false,"left":{"result.json":{"total":13}}}\n'


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def taken(out: Path, told: Path) -> list[str]:
    """The jobs that are done in a folder that had nothing."""
    take(STUDY, Settings(), out, read("study squares", Settings(), told))
    return sorted(str(path.parent.relative_to(out)) for path in out.rglob(RESULT))


def test_a_whole_study_needs_no_job(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    told = tmp_path / "first" / JOBS
    assert [line.get("job") for line in lines_of(told)] == [None, "squares/2", "squares/3", "sum"]
    changed = told.read_text().replace('"total":13', '"total":14')  # so that one sees whose it is
    told.write_text(changed)
    record = run_study(STUDY, Settings(), tmp_path / "second", processes=1, reuse=told)
    assert record.headline == ("sum 14",)
    assert (tmp_path / "second" / JOBS).read_text() == changed


def test_what_is_missing_is_run(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    told = tmp_path / "first" / JOBS
    lines = told.read_text().splitlines()
    told.write_text("\n".join([lines[0], lines[1].replace('"square":4', '"square":5')]) + "\n")
    assert run_study(STUDY, Settings(), tmp_path / "second", processes=1, reuse=told).headline == ("sum 14",)


def test_jobs_that_left_files_are_run_again_where_others_are_missing(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    (tmp_path / "first" / "squares" / "2" / "weights.safetensors").write_bytes(b"")
    (tmp_path / "first" / "sum" / RESULT).unlink()
    publish(STUDY, Settings(), tmp_path / "first")
    told = tmp_path / "first" / JOBS
    assert taken(tmp_path / "second", told) == ["squares/3"]
    assert read_result(tmp_path / "second" / "squares" / "3") == {"square": 9}
    whole = tmp_path / "whole.jsonl"
    whole.write_text(told.read_text() + WHOLE)
    assert taken(tmp_path / "third", whole) == ["squares/2", "squares/3", "sum"]


def test_other_json_files_come_along(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    (tmp_path / "first" / "squares" / "2" / "arm-0.json").write_text('{"point": 1}')
    publish(STUDY, Settings(), tmp_path / "first")
    assert taken(tmp_path / "second", tmp_path / "first" / JOBS) == ["squares/2", "squares/3", "sum"]
    assert read_result(tmp_path / "second" / "squares" / "2", "arm-0.json") == {"point": 1}


def test_a_job_that_is_not_done_comes_along_with_what_it_has(tmp_path: Path) -> None:
    """One arm of it failed: the others are not run again."""
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    half = tmp_path / "first" / "squares" / "2"
    (half / RESULT).rename(half / "arm-0.json")
    publish(STUDY, Settings(), tmp_path / "first")
    assert taken(tmp_path / "second", tmp_path / "first" / JOBS) == ["squares/3", "sum"]
    assert read_result(tmp_path / "second" / "squares" / "2", "arm-0.json") == {"square": 4}
    (half / "checkpoint").mkdir()  # what it needs beside the JSON did not come along
    publish(STUDY, Settings(), tmp_path / "first")
    assert taken(tmp_path / "third", tmp_path / "first" / JOBS) == ["squares/3", "sum"]
    assert not (tmp_path / "third" / "squares" / "2").exists()


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "out", processes=1)
    told = tmp_path / "told.jsonl"
    told.write_text((tmp_path / "out" / JOBS).read_text().replace('"square":4', '"square":5'))
    taken(tmp_path / "out", told)
    assert read_result(tmp_path / "out" / "squares" / "2") == {"square": 4}


def test_what_is_read_is_not_overwritten(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "out", processes=1)
    with pytest.raises(OutputError, match="would delete"):
        run_study(STUDY, Settings(), tmp_path / "out", overwrite=True, reuse=tmp_path / "out" / JOBS)
    assert (tmp_path / "out" / JOBS).exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: "nothing\n", "not the jobs.jsonl"),
        (lambda text: "", "not the jobs.jsonl"),
        (lambda text: text.replace("study squares", "study circles", 1), "of `expunge study circles`"),
        (lambda text: text.replace('"settings":"', '"settings":"0'), "other settings"),
        (lambda text: text.replace('"squares/2"', '"../2"'), "does not lie in"),
        (lambda text: text.replace('"squares/2"', '"/2"'), "does not lie in"),
        (lambda text: text.replace('"result.json"', '"../result.json"'), "does not lie in"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_written(tmp_path: Path, change, what: str) -> None:
    run_study(STUDY, Settings(), tmp_path / "first", processes=1)
    told = tmp_path / "told.jsonl"
    told.write_text(change((tmp_path / "first" / JOBS).read_text()))
    with pytest.raises(UsageError, match=what):
        run_study(STUDY, Settings(), tmp_path / "second", reuse=told)
    assert not (tmp_path / "second").exists()
