"""The table: one row a cell. It is derived from the cells' records alone, so it can never disagree with them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean

from expunge.atomic import atomic_file
from expunge.bench.cells import Cell, Contender, cells_of, contenders
from expunge.bench.jobs_file import whole
from expunge.bench.worker import note_on, read_failure
from expunge.config import BenchConfig
from expunge.edit import editors
from expunge.record import Outcome, Record
from expunge.record_audit import Audit
from expunge.record_file import load_record, record_path

FILE = "bench.sqlite"
COSTS = ("seconds_training", "seconds_audit", "peak_memory", "started")  # what differs from one making to the next
RETAIN = "retain"  # what methods are told to keep; where it is not measured, the mean of all sets that must stay
SEARCHED = ("learning_rate", "retain_loss", "retain_weight")


@dataclass(frozen=True)
class Row:
    """What the table says of one cell. None: not there (yet)."""

    suite: str
    method: str
    mask: str
    extrapolation: str
    role: str  # "tuning" or "final"
    number: int  # of the trial, or the seed
    status: str  # "done", "diverged", "failed", "waiting"; of the audit of a final run: `audit_status`
    audit_status: str | None = None
    full_status: str | None = None  # of the audit with the full panel
    reason: str | None = None  # why it failed
    settings: str | None = None  # JSON: what was searched, and the method's options
    step: int | None = None  # that was kept
    forget: float | None = None  # forget level there, and before
    forget_start: float | None = None
    never_known: float | None = None  # forget level of a model that never knew
    utility: float | None = None  # on the half of the retain set that chooses, as a share of the start's
    utility_kept: float | None = None  # by the audit: of the retain set, as a share of the original's
    utility_worst: float | None = None  # of the set that lost most, of all that must stay
    worst_set: str | None = None
    rate: float | None = None  # the never-knew rate, where the whole panel was run
    rate_name: str | None = None
    not_headline: str | None = None  # why the rate is none
    ceiling: float | None = None
    panel: str | None = None
    passed: int | None = None  # cells of the first audit: those that never knew, of the informative ones
    informative: int | None = None
    worst: str | None = None
    seconds_training: float | None = None
    seconds_audit: float | None = None
    peak_memory: int | None = None  # bytes, of the training
    started: str | None = None
    record: str = ""  # relative to the bench

    @property
    def contender(self) -> Contender:
        return Contender(self.suite, self.method, self.mask, self.extrapolation)

    @property
    def passed_share(self) -> float | None:
        return self.passed / self.informative if self.passed is not None and self.informative else None


def rows_of(config: BenchConfig, out: Path) -> list[Row]:
    """Every cell, in the recipe's order, as the records on disk have it."""
    return [row_of(cell, out) for contender in contenders(config) for cell in cells_of(contender, config)]


def settled(config: BenchConfig, out: Path) -> Iterator[tuple[Path, Sequence[Path]]]:
    """Folder and files of every run and audit that is done, and the note on each that diverged."""
    for cell in (cell for contender in contenders(config) for cell in cells_of(contender, config)):
        places = [out / cell.place, out / cell.audit, out / cell.full_audit]
        for folder in places if cell.role == "final" else places[:1]:
            _, status, _ = _state(folder)
            if status == "done":
                yield whole(folder, without=places)
            elif status == "diverged":
                yield folder.parent, [note_on(folder)]


def row_of(cell: Cell, out: Path) -> Row:
    """One cell, read from its record and those of its audits."""
    c, folder = cell.contender, out / cell.place
    record, status, reason = _state(folder)
    values: dict[str, object] = {}
    if record is not None:
        values |= {"settings": _settings(record), "started": record.started}
        if status == "done":
            values |= _trained(next(iter(record.methods.values())))
    if cell.role == "final":
        first, first_status, why = _state(out / cell.audit)
        full, full_status, why_full = _state(out / cell.full_audit)
        reason = reason or why or why_full
        values |= {"audit_status": first_status, "full_status": full_status}
        values |= _audited(*(each.audit if each else None for each in (first, full)))
        if first is not None:
            values["seconds_audit"] = sum(sum(each.seconds.values()) for each in (first, full) if each)
    return Row(
        c.suite, c.method, c.mask, c.extrapolation, cell.role, cell.number, status, reason=reason,
        record=str(cell.place / "record.json"), **values,  # type: ignore[arg-type]
    )  # fmt: skip


def _state(folder: Path) -> tuple[Record | None, str, str | None]:
    """The record of a run, what became of it, and why."""
    record = load_record(folder) if record_path(folder).exists() else None
    if record is not None and record.status == "done":
        return record, "done", None
    if failure := read_failure(folder):
        status = "diverged" if failure["error"] == "DivergedError" else "failed"
        return record, status, f"{failure['error']}: {failure['message']}"
    return record, "waiting", None


def _settings(record: Record) -> str:
    train = record.configuration["train"]
    searched = {} if train["method"] in editors else {name: train[name] for name in SEARCHED}
    return json.dumps({**searched, "options": train["options"]}, sort_keys=True)


def _trained(outcome: Outcome) -> dict[str, object]:
    assert outcome.selection is not None
    start = outcome.trajectory[0]
    kept = next(point for point in outcome.trajectory if point.step == outcome.selection.step)
    forget, utility = kept.forget, _share(kept.utility, start.utility)
    if (further := outcome.extrapolation) is not None:
        end = next(point for point in further.curve if point.alpha == further.alpha)
        forget, utility = end.forget, _share(end.utility, further.start.utility)
    return {
        "step": kept.step, "forget": forget, "forget_start": start.forget, "utility": utility,
        "never_known": outcome.selection.never_known, "seconds_training": sum(outcome.seconds.values()),
        "peak_memory": outcome.peak_memory,
    }  # fmt: skip


def _share(value: float | None, start: float | None) -> float | None:
    """None where it was not measured; a utility of exactly 0 is one."""
    return value / start if value is not None and start else None


def _audited(first: Audit | None, full: Audit | None) -> dict[str, object]:
    """The first audit has what all are compared by; the rate is that of the whole panel, where it was run."""
    if first is None:
        return {}
    whole = full or first
    kept = {title: share for title, share in first.utility_kept.items() if share is not None}
    worst = min(kept, key=lambda title: kept[title], default=None)
    return {
        "panel": first.panel, "worst": first.worst,
        "utility_kept": kept.get(RETAIN, fmean(kept.values()) if kept else None),
        "utility_worst": kept[worst] if worst else None, "worst_set": worst,
        "passed": sum(cell.status == "never-knew" for cell in first.cells),
        "informative": sum(cell.status != "uninformative" for cell in first.cells),
        "rate": whole.rate, "rate_name": whole.rate_name if whole.rate is not None else None,
        "not_headline": "; ".join(whole.not_headline) or None,
        "ceiling": whole.ceiling.rate if whole.ceiling and whole.rate is not None else None,
    }  # fmt: skip


def write_table(rows: Sequence[Row], out: Path) -> Path:
    """`bench.sqlite`, table `cells`; the same bytes for the same rows."""
    columns = [field.name for field in fields(Row)]
    with atomic_file(out / FILE) as partial:
        partial.unlink()
        with closing(sqlite3.connect(partial)) as table, table:
            table.execute(f"CREATE TABLE cells ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            table.executemany(f"INSERT INTO cells VALUES ({marks})", [_values(row, columns) for row in rows])
    return out / FILE


def read_table(out: Path) -> list[Row]:
    """The rows of `bench.sqlite`."""
    with closing(sqlite3.connect(f"file:{out / FILE}?mode=ro", uri=True)) as table:
        return [Row(*values) for values in table.execute("SELECT * FROM cells")]


def _values(row: Row, columns: Iterable[str]) -> list[object]:
    return [getattr(row, column) for column in columns]
