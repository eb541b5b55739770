"""A whole bench on the smallest world: the same table whatever happens on the way, nothing lost, nothing repeated."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from expunge.bench.cells import Cell, contenders
from expunge.bench.engines import LocalEngine
from expunge.bench.jobs import audit_job, train_config, unlearn_job
from expunge.bench.jobs_file import JOBS, read
from expunge.bench.page import tuned
from expunge.bench.run import publish, resolved, run_bench, take
from expunge.bench.table import COSTS, FILE, read_table
from expunge.bench.worker import note_on
from expunge.config import AuditRunConfig, BenchConfig, UnlearnConfig, settings
from expunge.errors import ConfigError, UsageError
from expunge.record import Record
from expunge.record_file import load_record
from expunge.runs.suites import settled as settled_with_suite
from expunge.runs.written import strangers
from expunge.worlds.finding import find_suite
from made_up_audit import RUNS, SMALL, WORLD
from made_up_rows import tried

pytest.importorskip("optuna", reason="the extra `search` is not installed")
TESTS = Path(__file__).parents[1]
PATH = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])


def config(**given: Any) -> BenchConfig:
    return BenchConfig.model_validate({**SMALL, **given})


def run(out: Path, audit: str = "run_audit", **options: Any) -> Record:
    given = options.pop("given", {})
    runs = {**RUNS, "audit": f"made_up_audit:{audit}"}
    return run_bench(config(**given), out, **{"processes": 2, **options}, runs=runs)


def results(out: Path) -> bytes:
    """The table without what a run costs, which differs each time."""
    rows = [{key: value for key, value in asdict(row).items() if key not in COSTS} for row in read_table(out)]
    return json.dumps(rows).encode()


def settled(out: Path) -> dict[str, bytes]:
    """The records of everything that is done."""
    found = {path: path.read_bytes() for path in sorted((out / "cells").rglob("record.json"))}
    return {str(path.relative_to(out)): text for path, text in found.items() if json.loads(text)["status"] == "done"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EXPUNGE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def done(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench that nothing disturbed."""
    out = tmp_path_factory.mktemp("bench") / "out"
    record = run(out)
    assert (record.status, record.warnings) == ("done", ())
    return out


@pytest.mark.parametrize(("given", "asked"), [({}, set()), ({"rows": 9, "by": "margin"}, {"by"})])
def test_audits_ask_for_buckets_only_where_the_bench_does(given: dict[str, Any], asked: set[str]) -> None:
    made = config(audit=given)
    cell = Cell(contenders(made)[0], "final", 0)
    job = audit_job(made, Path("out"), cell, Path("audit"), "", full=True)
    audit = settings(AuditRunConfig, job.values).audit
    assert audit.model_fields_set & {"by", "edges"} == asked and audit.rows == given.get("rows")


def test_the_convention_of_a_bench_goes_before_the_suites_own() -> None:
    """In runs and in audits; what it does not name stays the suite's, whose template the world sets."""
    plain, own = config(), config(convention={"system_prompt": "Answer briefly."})
    for bench, prompt in ((plain, None), (own, "Answer briefly.")):
        cell = Cell(contenders(bench)[0], "final", 0)
        made = unlearn_job(bench, Path("out"), cell, train_config(bench, {"method": "npo"}, 0), "")
        audit = audit_job(bench, Path("out"), cell, Path("audit"), "", full=False)
        runs = settled_with_suite(UnlearnConfig, made.values)[0], settled_with_suite(AuditRunConfig, audit.values)[0]
        for convention in (each.convention for each in runs):
            assert convention.system_prompt == prompt
            assert convention.template == find_suite(WORLD).convention.template


@pytest.mark.parametrize("given", [{"methods": ["npo", "memit"]}, {"methods": ["editors"]}])
def test_a_method_that_nothing_would_run_is_an_error(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mask `none`"):
        run(tmp_path / "out", given={**given, "masks": ["random"]})


def test_all_leaves_out_what_masks_do_not_suit() -> None:
    masked = resolved(config(methods=["all"], masks=["random"]))
    assert {each.mask for each in contenders(masked)} == {"random"}


def test_the_page_marks_what_was_chosen_of_each_contender() -> None:
    trials = [tried(0, 0.5, 1.0), tried(1, 0.12, 1.0)]  # the second is chosen without a mask, the first with one
    masked = [replace(trials[0], mask="random", forget=0.11), replace(trials[1], mask="random", forget=0.6)]
    first, second = tuned([*trials, *masked], config())
    assert (first.contender, [trial[-1] for trial in first.trials]) == ("npo", [False, True])
    assert (second.contender, [trial[-1] for trial in second.trials]) == ("npo, mask random", [True, False])


def test_what_it_leaves(done: Path) -> None:
    assert strangers(done, load_record(done)) == []
    rows = read_table(done)
    assert len(rows) == 2 * (2 + 2)
    assert {row.status for row in rows} == {"done"}
    finals = [row for row in rows if row.role == "final"]
    assert {row.audit_status for row in finals} == {"done"}
    rated = {row.method for row in finals if row.rate is not None}
    assert len(rated) == 1  # the best one, by the full panel
    assert all(row.ceiling == 0.9 for row in finals if row.method in rated)
    assert [row for row in rows if row.utility is None or row.never_known is None or row.seconds_training is None] == []
    assert {path.name for path in done.iterdir()} == {
        "cells", "models", "record.json", JOBS, FILE, "leaderboard.md", "leaderboard.json", "report.html",
    }  # fmt: skip
    page = (done / "report.html").read_text()
    assert page.startswith("<!") and "Leaderboard" in page and "<svg" in page and "(chosen)" in page
    assert load_record(done).headline[0].startswith(f"{WORLD}: {rated.pop()} stands first: never-knew rate")


def test_final_runs_have_the_chosen_setting_and_trials_leave_no_change(done: Path) -> None:
    rows = read_table(done)
    for method in ("npo", "gradient_ascent"):
        own = [row for row in rows if row.method == method]
        tried = [row.settings for row in own if row.role == "tuning"]
        (used,) = {row.settings for row in own if row.role == "final"}
        assert len(set(tried)) == 2 and used in tried
    changes = sorted(path.parent.name for path in done.rglob("change.safetensors"))
    assert changes == ["final-0", "final-0", "final-1", "final-1"]
    trial = load_record(done / "cells" / "-".join(WORLD.split(":")) / "npo" / "tuning-0")
    assert trial.configuration["train"]["seed"] == 1000
    assert trial.methods["npo"].change and trial.methods["npo"].change.file is None
    assert not any(trial.before.values())  # the start is not measured again in each cell


def test_one_process_gives_the_same_table(done: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", processes=1)
    assert results(tmp_path / "out") == results(done)


def test_the_table_is_made_from_the_records_alone(done: Path) -> None:
    made = {path.name: path.read_bytes() for path in done.iterdir() if path.is_file() and path.name != "record.json"}
    for name in made:
        (done / name).unlink()
    publish(done)
    assert made == {name: (done / name).read_bytes() for name in made}


def test_resuming_what_is_done_runs_nothing(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, table = settled(done), (done / FILE).read_bytes()
    start = LocalEngine.start
    started = []
    monkeypatch.setattr(LocalEngine, "start", lambda self, job: (started.append(job.kind), start(self, job))[1])
    assert run(done, resume=True).status == "done"
    assert set(started) == {"model"}  # which is found in the cache
    assert (settled(done), (done / FILE).read_bytes()) == (before, table)


@pytest.mark.parametrize(("seed", "kills"), [(0, 1), pytest.param(1, 4, marks=pytest.mark.slow)])
def test_killed_at_random_moments(done: Path, tmp_path: Path, seed: int, kills: int) -> None:
    """The bench is killed, and its workers go with it; what was done keeps its bytes, and the table is the same."""
    draw, out, kept = random.Random(seed), tmp_path / "out", {}
    moments = sorted(draw.sample(range(1, 14), kills))
    for moment in moments:
        bench = _bench(out)
        _wait(bench, out, moment)
        time.sleep(draw.random())
        bench.kill()
        bench.wait()
        found = settled(out)
        assert {name: found[name] for name in kept} == kept
        kept = found
    assert _bench(out).wait() == 0
    assert {name: settled(out)[name] for name in kept} == kept
    assert results(out) == results(done)


def test_another_machine_goes_on_from_what_is_done(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all results nothing is run. Who lacks an audit is run again, since changes do not come along."""
    start, started = LocalEngine.start, []
    monkeypatch.setattr(LocalEngine, "start", lambda self, job: (started.append(job), start(self, job))[1])
    run(tmp_path / "whole", reuse=done / JOBS)
    assert {job.kind for job in started} == {"model"}
    assert results(tmp_path / "whole") == results(done)
    of = [read("bench", resolved(config()), folder / JOBS) for folder in (done, tmp_path / "whole")]
    assert [line["left"] for line in of[0]] == [line["left"] for line in of[1]]

    part, lines = tmp_path / JOBS, (done / JOBS).read_text().splitlines(keepends=True)
    part.write_text("".join(line for line in lines if 'audit-full"' not in line and 'npo/final-0/audit"' not in line))
    started.clear()
    run(tmp_path / "part", reuse=part)
    assert results(tmp_path / "part") == results(done)
    best = {row.method for row in read_table(done) if row.rate is not None}
    again = {job.folder.relative_to(tmp_path / "part" / "cells") for job in started if job.kind == "unlearn"}
    assert {path.name for path in again} <= {"final-0", "final-1"}
    assert {path.parent.name for path in again} == {"npo", *best} and len(again) == (2 if best == {"npo"} else 3)


def test_results_of_other_settings_are_refused(done: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="other settings"):
        run(tmp_path / "out", given={"seeds": 3}, reuse=done / JOBS)
    assert not (tmp_path / "out").exists()


def test_a_run_that_diverged_is_not_tried_again_elsewhere(done: Path, tmp_path: Path) -> None:
    folder, out = Path("cells", "-".join(WORLD.split(":")), "npo"), tmp_path / "out"
    shutil.copytree(done, tmp_path / "first")
    for number, error in enumerate(("DivergedError", "ValueError")):
        trial = tmp_path / "first" / folder / f"tuning-{number}"
        shutil.rmtree(trial)
        note_on(trial).write_text(json.dumps({"error": error, "message": "it ended", "traceback": ""}))
    publish(tmp_path / "first")
    made = resolved(config())
    take(made, read("bench", made, tmp_path / "first" / JOBS), out)
    assert sorted(path.name for path in (out / folder).glob("*.json")) == ["tuning-0.failed.json"]


def test_a_fault_stops_no_other_cell_and_is_mended_by_resuming(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = run(out, "fails_for_npo")
    assert record.status == "failed"
    assert all("a fault in the audit" in warning for warning in record.warnings) and len(record.warnings) == 2
    rows = read_table(out)
    assert {row.audit_status for row in rows if row.method == "gradient_ascent" and row.role == "final"} == {"done"}
    assert "a fault in the audit" in (out / "leaderboard.md").read_text()
    kept = settled(out)
    assert run(out, resume=True).status == "done"
    assert {name: settled(out)[name] for name in kept} == kept
    assert results(out) == results(done)


def test_a_killed_worker_is_a_failed_cell(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = {"methods": ["gradient_ascent"], "seeds": 1, "full_panel": "none"}
    assert run(out, "dies", given=given).status == "failed"
    (final,) = (row for row in read_table(out) if row.role == "final")
    assert (final.status, final.audit_status) == ("done", "failed")
    assert final.reason == "RunError: its process ended with signal 9"


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # ray's own
def test_two_workers_of_a_ray_cluster_give_the_same_table(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", PATH)  # the cluster's processes have only what they inherit
    given = {"methods": ["gradient_ascent"], "seeds": 1, "full_panel": "none"}
    assert run(tmp_path / "local", given=given).status == "done"
    assert run(tmp_path / "ray", given=given, engine="ray").status == "done"
    assert results(tmp_path / "ray") == results(tmp_path / "local")


def _bench(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(TESTS / "made_up_audit.py"), str(out), "2"],
        env={**os.environ, "PYTHONPATH": PATH, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _wait(bench: subprocess.Popen[bytes], out: Path, records: int, seconds: float = 600.0) -> None:
    """Until so many records are done, or the bench is."""
    end = time.monotonic() + seconds
    while bench.poll() is None and len(settled(out)) < records:
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
