"""What every study shares: jobs that wait for others, a job that fails, a kill, publishing."""

from pathlib import Path

import pytest

from expunge.bench.jobs import Job
from expunge.bench.worker import work
from expunge.errors import OutputError
from expunge.record_file import load_record
from expunge.studies import RESULT, studies
from expunge.studies.page import Figure, Section, Table, files, to_html, to_markdown
from expunge.studies.pictures import Difference, differences, trajectories
from expunge.studies.results import read_result
from expunge.studies.running import publish, run_study
from made_up_study import STUDY, Settings


def test_jobs_that_wait_for_others(tmp_path: Path) -> None:
    record = run_study(STUDY, Settings(), tmp_path / "out", processes=2)
    assert (record.status, record.headline) == ("done", ("sum 13",))
    assert load_record(tmp_path / "out").command == "study squares"
    assert (tmp_path / "out" / "report.md").read_text() == "{'total': 13}"


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """As after a kill between two jobs: the other is made, the first keeps its bytes."""
    out = tmp_path / "out"
    run_study(STUDY, Settings(), out, processes=1)
    kept = (out / "squares" / "2" / RESULT).stat().st_mtime_ns
    for folder in (out / "squares" / "3", out / "sum"):
        (folder / RESULT).unlink()
    record = run_study(STUDY, Settings(), out, processes=1, resume=True)
    assert record.headline == ("sum 13",)
    assert (out / "squares" / "2" / RESULT).stat().st_mtime_ns == kept


def test_a_job_that_fails_stops_none_that_does_not_need_it(tmp_path: Path) -> None:
    record = run_study(STUDY, Settings(numbers=(2, -1, 3)), tmp_path / "out", processes=1)
    assert record.status == "failed"
    assert record.warnings == ("square -1: -1 is negative",)
    assert [read_result(tmp_path / "out" / "squares" / n) for n in ("2", "3")] == [{"square": 4}, {"square": 9}]
    assert record.headline == ("nothing yet",)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    run_study(STUDY, Settings(), tmp_path / "out", processes=1)
    with pytest.raises(OutputError, match="numbers"):
        run_study(STUDY, Settings(numbers=(5,)), tmp_path / "out", resume=True)
    with pytest.raises(OutputError, match="not empty"):
        run_study(STUDY, Settings(), tmp_path / "out")


def test_publishing_needs_no_result(tmp_path: Path) -> None:
    assert publish(STUDY, Settings(), tmp_path) == ("nothing yet",)


def test_a_call_is_just_that(tmp_path: Path) -> None:
    work(Job("call", "square", tmp_path / "job", {"number": 4}, 1, "made_up_study:square"))
    assert read_result(tmp_path / "job") == {"square": 16}


def test_the_page_escapes_and_stands_alone() -> None:
    drawn = trajectories({"<b>": [(0.0, 1.0), (1.0, 0.5)]}, "A & B", "x", "y")
    bars = differences([Difference("a", 0.1, (0.0, 0.2), (0.05, 0.15)), Difference("b", -0.1, None)], 0.05, "D", "u")
    figures = [Figure("curve", drawn, "Caption <i>"), Figure("bars", bars, "Bars")]
    section = Section("One | two", ["Text <script>"], [Table(["a", "b|c"], [["1", "<2>"]], "Of *it*")], figures)
    page = to_html("Title", "under", [section], "1.0")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    text = to_markdown("Title", "under", [section])
    assert "| 1 | &lt;2&gt; |" in text
    assert "![Caption &lt;i&gt;](pictures/curve.svg)" in text
    alone = files([section])
    assert set(alone) == {"pictures/curve.svg", "pictures/bars.svg"}
    assert "var(--" not in alone["pictures/curve.svg"]
    assert alone["pictures/curve.svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_pictures_of_nothing() -> None:
    assert trajectories({}, "t", "x", "y") == ""
    assert differences([], 0.05, "t", "u") == ""


def test_every_study_is_listed_with_its_paper() -> None:
    for name in studies:
        study = studies.get(name)
        assert study.summary
        assert study.paper.startswith("arXiv:")
        assert study.check(study.settings()) is not None
