"""The run behind `expunge convert`: others' result files as a record of ours.

Two formats are read: those of OpenUnlearning (`openunlearning_results.py`) and the logs of the original TOFU code
(`tofu_logs.py`). Both come down to columns: one metric on one set, by the index of the row. What has a name of ours
gets it, in our orientation; what has none keeps its own. Texts are left behind. The numbers stay theirs, faults
included: the notes say which.
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from expunge.errors import DataError, OutputError
from expunge.evaluate import glossary, metrics
from expunge.evaluate.metric import mean_metric
from expunge.provenance import versions
from expunge.record import Measured, ModelInfo, Reading, Record, Row, SetInfo
from expunge.record_file import record_path, save_record
from expunge.runs import openunlearning_results, tofu_logs
from expunge.runs.columns import Column, Converted
from expunge.runs.files import record_of


def run_convert(
    file: Path, out: Path | None = None, *, arguments: Sequence[str] = (), overwrite: bool = False
) -> tuple[Record, Path]:
    """Read, convert and write. Without `out` the record stands beside the file, `NAME.record.json`.

    Raises DataError for a file that cannot be read or is of neither format, OutputError for a record that is there.
    """
    target = out or file.with_name(f"{file.stem}.record.json")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} is there already; choose another --out, or give --overwrite")
    if record_path(target).resolve() == file.resolve():
        raise OutputError(f"--out {target}: the record would replace the file that is read. Choose another place")
    record_of(record_path(target), target, "convert")
    record = converted(file, arguments)
    return record, save_record(record, target)


def converted(file: Path, arguments: Sequence[str] = ()) -> Record:
    """The record of one file."""
    content = _read(file)
    for kind in (tofu_logs, openunlearning_results):
        if kind.fits(content):
            return _record(file, kind.convert(content, file), arguments)
    raise DataError(
        f"{file}: neither a result file of OpenUnlearning (metric → agg_value, value_by_index, or its summary) nor a "
        f"log of the original TOFU code (avg_gt_loss, …); its top holds {', '.join(list(content)[:5]) or 'nothing'}"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}:{error.colno}: broken JSON: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{file}: nested too deeply to be a result file") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected one JSON object, found {type(content).__name__}")
    return content


def _record(file: Path, found: Converted, arguments: Sequence[str]) -> Record:
    rows = {name: _rows(name, found.columns) for name in dict.fromkeys(column.set for column in found.columns)}
    before: dict[str, dict[str, Measured]] = {name: {} for name in rows}
    for column in found.columns:
        before[column.set][column.metric] = _measured(column, rows[column.set])
    ours = sorted({column.metric for column in found.columns if column.metric in metrics})
    readings = {name: Reading.model_validate(entry) for name, entry in glossary(ours).items()}
    readings |= {
        column.metric: Reading(
            title=column.metric, better=column.better, reads=f"{found.whose}'s own number, under its own name."
        )
        for column in found.columns if column.metric not in metrics
    }  # fmt: skip
    return Record(
        command="convert", arguments=tuple(arguments), status="done", configuration={"file": str(file)},
        versions=versions(), model=ModelInfo(name="/".join(file.parts[-2:])), before=before, glossary=readings,
        headline=found.headline, warnings=found.warnings,
        sets={
            name: SetInfo(
                role=found.roles[name], n=len(ids), title=name, source=str(file), note=f"numbers of {found.whose}",
                rows=tuple(Row(id=each) for each in ids),
            )
            for name, ids in rows.items()
        },
    )  # fmt: skip


def _rows(name: str, columns: Sequence[Column]) -> list[str]:
    """The rows of a set: every index that a metric has, in the order of the numbers."""
    found = {index for column in columns if column.set == name for index in column.values}
    return sorted(found, key=lambda index: (not index.isdigit(), int(index) if index.isdigit() else 0, index))


def _measured(column: Column, rows: Sequence[str]) -> Measured:
    """With an interval of ours where there is a value for each row."""
    values = [_finite(column.values, index) for index in rows] if column.values else []
    there = [value for value in values if value is not None]
    if not there:
        return Measured(value=column.value, better=column.better, n=column.n, unit=column.unit, note=column.note)
    mean = mean_metric(there, column.better, bounds=column.bounds, unit=column.unit)
    missing = len(rows) - len(there)
    notes = (column.note, f"{missing} of {len(rows)} rows have no value" if missing else "", mean.note)
    return Measured(
        value=mean.value, better=column.better, n=len(there), interval=mean.interval, level=mean.level,
        unit=column.unit, note="; ".join(filter(None, notes)), per_example=tuple(values),
    )  # fmt: skip


def _finite(values: Mapping[str, float | None], index: str) -> float | None:
    value = values.get(index)
    return value if value is not None and isfinite(value) else None
