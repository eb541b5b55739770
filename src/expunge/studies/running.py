"""The run behind `expunge study`: start what is ready, go on after a kill, publish what follows."""

from collections.abc import Sequence
from pathlib import Path

from expunge.atomic import atomic_file
from expunge.bench.engines import ENGINES, Engine, check_engine
from expunge.bench.jobs_file import JOBS, Line, packed, read, unpack, whole
from expunge.bench.worker import read_failure, write_failure
from expunge.config import Config, differing
from expunge.provenance import platform_facts, versions
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.failing import recorded
from expunge.runs.folder import check, check_free, check_inputs, claim
from expunge.runs.phases import Phases
from expunge.studies import RESULT, Study, done


def run_study(
    study: Study,
    config: Config,
    out: Path,
    *,
    engine: str = "local",
    processes: int | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    reuse: Path | None = None,
    phases: Phases | None = None,
) -> Record:
    """Run every job of a study and publish its report to `out`. Where and how many at once changes no result.

    A job that fails stops none that does not need it; the record's status is then "failed". Killed at any moment, the
    same call with `resume` goes on: what is done is not done again. `reuse`: the jobs.jsonl of an earlier run, of which
    the same holds. Raises for settings that are wrong before anything is run.
    """
    phases, command = phases or Phases(), f"study {study.name}"
    check_inputs(out, [reuse and str(reuse)], overwrite=overwrite)
    check_free(out, resume=resume, overwrite=overwrite)
    check_engine(engine)
    config = study.check(config)
    told = [] if reuse is None else read(command, config, reuse)
    fresh = check(out, config.model_dump(), resume=resume, overwrite=overwrite) is None
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command=command, arguments=tuple(arguments), configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(),
    )  # fmt: skip
    save_record(record, out)
    threads = int(getattr(config, "threads", 1))
    failed: list[str] = []
    with recorded(record, out, fresh=fresh, keep=lambda _: None):
        take(study, config, out, told)
        failed = _work(study, config, out, ENGINES[engine](processes, threads), phases)
    published = publish(study, config, out)
    record = record.updated(
        status="failed" if failed else "done", headline=published, warnings=tuple(failed), seconds=phases.seconds
    )
    save_record(record, out)
    return record


def take(study: Study, config: Config, out: Path, told: Sequence[Line]) -> None:
    """Put what was told where the jobs would have left it.

    Jobs that left more than comes along are done again where others, that may need it, are missing. A job that is not
    done, since an arm failed or the run was killed, goes on from what it has, unless it left more.
    """
    unpack([line for line in told if not line["more"]], out, last=RESULT)
    there = {out / line["job"] for line in told if RESULT in line["left"]}
    if all(job.folder in there for job in study.jobs(config, out)):
        unpack(told, out, last=RESULT)


def publish(study: Study, config: Config, out: Path) -> tuple[str, ...]:
    """Write what follows from the results that are there."""
    published = study.publish(config, out)
    done_so_far = packed(f"study {study.name}", config, [whole(job.folder) for job in study.jobs(config, out)], out)
    for name, text in {**published.files, JOBS: done_so_far}.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out / name) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return published.headline


def _work(study: Study, config: Config, out: Path, engine: Engine, phases: Phases) -> list[str]:
    """Returns what went wrong, a line a job."""
    started: set[Path] = set()
    failed: list[str] = []
    running = 0
    try:
        with phases.phase("jobs") as tick:
            jobs = study.jobs(config, out)
            settled = sum(map(done, jobs))
            tick(settled, "", len(jobs))
            while True:
                for job in study.jobs(config, out):
                    if engine.free() and job.folder not in started and not done(job) and study.ready(job, config, out):
                        engine.start(job)
                        started.add(job.folder)
                        running += 1
                if not running:
                    return failed
                for job, died in engine.ended():
                    running -= 1
                    if died and read_failure(job.folder) is None:
                        write_failure(job, "RunError", died)
                    if failure := None if done(job) else read_failure(job.folder):
                        failed.append(f"{job.label}: {failure['message']}")
                    tick(1, job.label, len(study.jobs(config, out)))
    finally:
        engine.stop()
