"""Exports: a suite as files for another project's program."""

from collections.abc import Sequence
from pathlib import Path

from expunge.provenance import versions
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.folder import check, claim
from expunge.runs.phases import Phases
from expunge.suites.lm_eval import writable, write_tasks
from expunge.worlds.finding import find_suite


def run_export(
    name: str,
    out: Path,
    *,
    seed: int = 0,
    arguments: Sequence[str] = (),
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """`expunge convert SUITE --to lm-eval --out DIR`: task files of lm-evaluation-harness, and a record.

    The texts of the sets stand in the files, whatever `include_text` says: they are what is asked for. The record
    holds none. Raises as `find_suite`, OutputError for a folder that holds something, ConfigError when nothing fits.
    """
    phases = phases or Phases()
    configuration = {"suite": name, "to": "lm-eval", "seed": seed}
    check(out, configuration, resume=None, overwrite=overwrite)
    suite = find_suite(name)
    writable(suite)  # before anything goes
    claim(out, configuration, resume=None, overwrite=overwrite)
    save_record(Record(command="convert", configuration=configuration), out)  # so that it can be overwritten
    written = write_tasks(suite, out, seed=seed)
    phases.say(f"{out} holds the texts of the sets, as an export must")
    record = Record(
        command="convert", arguments=tuple(arguments), status="done", configuration=configuration, versions=versions(),
        seeds={"order of choices": seed}, warnings=written.notes,
        headline=(f"{len(written.tasks)} tasks: lm-eval --include_path {out} --tasks {','.join(written.tasks)}",),
    )  # fmt: skip
    save_record(record, out)
    return record
