"""The run behind `expunge bench`: start what is ready, read what ended, and write what follows from the records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from expunge.atomic import atomic_file
from expunge.bench.board import Board
from expunge.bench.cells import NONE, cells_of, check_places, contenders
from expunge.bench.engines import ENGINES, Engine, check_engine
from expunge.bench.jobs import RUNS, Job, models_of, train_config
from expunge.bench.jobs_file import JOBS, Line, packed, read, unpack
from expunge.bench.leaderboard import standings, to_json, to_markdown
from expunge.bench.page import to_html
from expunge.bench.spaces import check_extra, settings_of, space_of
from expunge.bench.table import Row, rows_of, settled, write_table
from expunge.bench.worker import read_failure, write_failure
from expunge.config import BenchConfig, differing, parse_name
from expunge.edit import editors
from expunge.errors import ConfigError, RunError
from expunge.models.finding import find, split_change
from expunge.objectives import objectives
from expunge.procedures import procedures
from expunge.provenance import platform_facts, versions
from expunge.record import Record
from expunge.record_file import load_record, record_path, save_record
from expunge.report.numbers import number, percent
from expunge.runs.failing import recorded
from expunge.runs.folder import check, check_free, check_inputs, claim
from expunge.runs.phases import Phases
from expunge.runs.unlearn import check_method


def run_bench(
    config: BenchConfig,
    out: Path,
    *,
    engine: str = "local",
    processes: int | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    reuse: Path | None = None,
    phases: Phases | None = None,
    runs: Mapping[str, str] = RUNS,
) -> Record:
    """Run every cell, and write table, leaderboard and page to `out`. Where and how many at once changes no result.

    A cell that fails stops no other; the record's status is then "failed". Killed at any moment, the same call with
    `resume` goes on: what is done is not done again, what failed is. `reuse`: the jobs.jsonl of an earlier bench, of
    which the same holds. Raises for whatever is wrong with the settings before anything is run, and RunError when a
    suite's model cannot be made.
    """
    phases = phases or Phases()
    check_inputs(out, [reuse and str(reuse)], overwrite=overwrite)
    check_free(out, resume=resume, overwrite=overwrite)
    check_extra()
    check_engine(engine)
    config = resolved(config)
    told = [] if reuse is None else read("bench", config, reuse)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="bench", arguments=tuple(arguments), configuration=config.model_dump(), changed=differing(config),
        versions=versions(), platform=platform_facts(), seeds={"tuning": config.search.seed},
    )  # fmt: skip
    save_record(record, out)
    try:
        with recorded(record, out, fresh=done is None, keep=lambda _: None):
            take(config, told, out)
            _work(Board(config, out, runs), ENGINES[engine](processes, config.threads), phases)
    finally:
        rows = publish(out) if record_path(out).exists() else []
    failed = [row for row in rows if "failed" in (row.status, row.audit_status, row.full_status)]
    record = record.updated(
        status="failed" if failed else "done", headline=headline(rows, config.train.utility_floor),
        warnings=tuple(f"{Path(row.record).parent}: {row.reason}" for row in failed), seconds=phases.seconds,
    )  # fmt: skip
    save_record(record, out)
    return record


def resolved(config: BenchConfig) -> BenchConfig:
    """With every method and model named. Raises for names that there are not and settings that do not fit together."""
    # losses that read the retrained model are told the goal: no contenders, unless a recipe names them
    blind = [name for name in objectives if "retrained" not in objectives.get(name).needs]
    all_of = {"all": [*blind, *editors], "objectives": blind, "editors": list(editors)}
    methods = tuple(dict.fromkeys(name for text in config.methods for name in all_of.get(text, [text])))
    for method in methods:
        space = space_of(method, config.search)
        lowest = settings_of(space, {key: low for key, (low, _) in space.bounds.items()})
        for mask in config.masks if parse_name(method)[0] not in {*editors, *procedures} else (NONE,):
            for extrapolation in config.extrapolations:
                check_method(train_config(config, lowest, 0, mask, extrapolation))
    suites = tuple(dict.fromkeys(config.suites))
    if unknown := [name for name in config.models if name not in suites]:
        raise ConfigError(f"models.{unknown[0]}: is none of the suites ({', '.join(suites)})")
    models = {suite: models_of(config, suite) for suite in suites}
    for each in models.values():
        for name in (each.before, *each.retrained):
            find(split_change(name)[0])
    asked = config.methods
    config = config.model_copy(update={"methods": methods, "suites": suites, "models": models})
    found = contenders(config)
    idle = [name for name in asked if name in methods and name not in {each.method for each in found}]
    if idle := idle or ([] if found else list(asked)):  # of "all" some may be left out, but not every one
        raise ConfigError(
            f"{', '.join(idle)}: editors and procedures run for the mask `none` only, and side memories for the "
            "extrapolation `none` only: add it to `masks` or `extrapolations`, or leave them out"
        )
    check_places(found)
    return config


def take(config: BenchConfig, told: Sequence[Line], out: Path) -> None:
    """Put what was told where the cells would have left it, but for final runs whose audit is still to come: that
    needs their change.
    """
    there = {Path(line["job"]) for line in told}
    finals = [cell for each in contenders(config) for cell in cells_of(each, config) if cell.role == "final"]
    early = {cell.place for cell in finals if cell.audit not in there}
    unpack([line for line in told if Path(line["job"]) not in early], out, last="record.json")


def publish(out: Path) -> list[Row]:
    """Write what follows from the records of a bench: `bench.sqlite`, `leaderboard.md`, `.json`, `report.html`, and
    `jobs.jsonl`.
    """
    record = load_record(out)
    config = BenchConfig.model_validate(record.configuration)
    rows, floor = rows_of(config, out), config.train.utility_floor
    write_table(rows, out)
    texts = {
        "leaderboard.md": to_markdown(rows, floor),
        "leaderboard.json": json.dumps(to_json(rows, floor), indent=1, ensure_ascii=False) + "\n",
        "report.html": to_html(rows, config, record),
        JOBS: packed("bench", config, settled(config, out), out),
    }
    for name, text in texts.items():
        with atomic_file(out / name) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return rows


def headline(rows: Sequence[Row], floor: float) -> tuple[str, ...]:
    """Who stands first in each suite."""
    found = []
    for suite, ranked in standings(rows, floor).items():
        best = ranked[0]
        if best.failed:
            found.append(f"{suite}: no method was run to its end.")
            continue
        what = f"{best.rate_name} {number(best.rate.mean)}" if best.rate else ""
        if not best.rate and best.passed:
            what = f"{percent(best.passed.mean)} of the quick cells passed"
        kept = f", {percent(best.utility_kept.mean)} of the utility kept" if best.utility_kept else ""
        failed = sum(each.failed for each in ranked)
        others = f" {failed} of {len(ranked)} methods were not run to their end." if failed else ""
        if not best.holds:
            found.append(f"{suite}: no method keeps {percent(floor)} of the utility.{others}")
            continue
        found.append(
            f"{suite}: {best.contender.label} stands first: {what or 'nothing was informative'}{kept}.{others}"
        )
    return tuple(found)


def _work(board: Board, engine: Engine, phases: Phases) -> None:
    try:
        _make_models(board.models(), engine, phases)
        with phases.phase("cells") as tick:
            settled, total = board.counts()
            tick(settled, "", total)
            started: set[Path] = set()
            running = 0
            while True:
                for job in board.ready():
                    if engine.free() and job.folder not in started:
                        engine.start(job)
                        started.add(job.folder)
                        running += 1
                if not running:
                    return
                for job, died in engine.ended():
                    running -= 1
                    board.read(_ended(job, died))
                    before, (settled, total) = settled, board.counts()
                    tick(settled - before, job.label, total)
    finally:
        engine.stop()


def _make_models(jobs: Sequence[Job], engine: Engine, phases: Phases) -> None:
    """What is made already takes a moment. Raises RunError when one cannot be made: nothing can be run without it."""
    waiting, running = list(jobs), 0
    with phases.phase("models", len(jobs)) as tick:
        while waiting or running:
            while waiting and engine.free():
                engine.start(waiting.pop(0))
                running += 1
            for job, died in engine.ended():
                running -= 1
                if failure := read_failure(_ended(job, died).folder):
                    raise RunError(f"{job.label} cannot be made: {failure['message']}")
                tick(1, job.label)


def _ended(job: Job, died: str) -> Job:
    """A process that died without a word gets its note here."""
    if died and read_failure(job.folder) is None:
        write_failure(job, "RunError", died)
    return job
