"""Observations as columns of an Arrow IPC file, read through a memory map.

    right.log_probs         list<double>          row i is example i
    right.hits              list<uint8>           0 and 1
    right.tail              int32
    right.moments           list<double[2]>
    paraphrased.log_probs   list<double>          …
    perturbed.log_probs     list<list<double>>    a list for each wrong answer
    gradient_norms          double                one number an example
    generations             string                in a file of texts

A column is a field of `Scored` under the field of `Observed` that holds it, so a new one is stored as it is; one that
was not measured is left out. Numbers keep their bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from expunge.atomic import atomic_file
from expunge.evaluate.observations import Observed, Scored

FORMAT = b"1"
PARTS = ("right", "paraphrased", "perturbed")  # fields of `Observed` that hold scores
NUMBERS = ("gradient_norms",)  # fields of `Observed` that hold a number an example

Columns = dict[str, pa.Array]


def write_columns(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """One record batch, whole or not at all. The file's name is part of it, so a renamed one is not taken."""
    schema = pa.schema([pa.field(name, column.type) for name, column in columns.items()])
    schema = schema.with_metadata({b"expunge-observations": FORMAT, b"key": path.stem.encode()})
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)
    with atomic_file(path) as partial:
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(batch)


def read_columns(path: Path, rows: int) -> Columns:
    """What `write_columns` wrote, memory-mapped. Raises OSError or ValueError for a file that is not whole."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    about = reader.schema.metadata or {}
    if (about.get(b"expunge-observations"), about.get(b"key")) != (FORMAT, path.stem.encode()):
        raise ValueError("another format")
    batch = reader.get_batch(0)
    batch.validate(full=True)
    if batch.num_rows != rows:
        raise ValueError(f"{batch.num_rows} rows instead of {rows}")
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def columns_of(seen: Observed) -> Columns:
    """Everything but texts that was measured."""
    scores = {name: column for part in PARTS for name, column in _part(part, getattr(seen, part)).items()}
    numbers = {name: pa.array(values, pa.float64()) for name in NUMBERS if (values := getattr(seen, name))}
    return {**scores, **numbers}


def fields_of(columns: Mapping[str, pa.Array]) -> dict[str, list[Any]]:
    """The inverse: fields of `Observed`; arrays are views of the file and cannot be written to."""
    scores = {part: _scored(part, columns) for part in PARTS}
    return {**scores, **{name: columns[name].to_pylist() if name in columns else [] for name in NUMBERS}}


def _part(part: str, values: Sequence[Scored] | Sequence[Sequence[Scored]]) -> Columns:
    """The columns of "right", "paraphrased" or "perturbed"; the last one has several answers a row."""
    if part != "perturbed":
        return {f"{part}.{name}": column for name, column in _flat(values).items()}  # type: ignore[arg-type]
    counts = [len(several) for several in values]  # type: ignore[arg-type]
    flat = [each for several in values for each in several]  # type: ignore[union-attr]
    return {f"{part}.{name}": _ragged(column, counts) for name, column in _flat(flat).items()}


def _scored(part: str, columns: Mapping[str, pa.Array]) -> list[Any]:
    own = {name.removeprefix(f"{part}."): col for name, col in columns.items() if name.startswith(f"{part}.")}
    if not own:
        return []
    if part != "perturbed":
        return _unflat(own)
    outer = next(iter(own.values())).offsets.to_pylist()
    flat = _unflat({name: column.values for name, column in own.items()})
    return [flat[start:stop] for start, stop in pairwise(outer)]


def _flat(scored: Sequence[Scored]) -> Columns:
    found = {}
    for field in fields(Scored):
        values = [getattr(each, field.name) for each in scored]
        if not values or any(value is None for value in values):  # not measured
            continue
        if isinstance(values[0], np.ndarray):
            numbers = np.concatenate(values)
            plain = pa.array((numbers.view(np.uint8) if numbers.dtype == bool else numbers).reshape(-1))
            rows = pa.FixedSizeListArray.from_arrays(plain, numbers.shape[1]) if numbers.ndim == 2 else plain
            found[field.name] = _ragged(rows, [len(value) for value in values])
        else:
            found[field.name] = pa.array(values, pa.int32())
    return found


def _unflat(columns: Mapping[str, pa.Array]) -> list[Scored]:
    taken = [field.name for field in fields(Scored) if field.name in columns]
    values = [_cut(columns[name]) for name in taken]
    return [Scored(**dict(zip(taken, row))) for row in zip(*values, strict=True)]


def _cut(column: pa.Array) -> list[Any]:
    """One entry a row: an array where the column is ragged."""
    if not isinstance(column, pa.ListArray):
        return column.to_pylist()
    rows = column.values
    wide = isinstance(rows, pa.FixedSizeListArray)
    numbers = (rows.values if wide else rows).to_numpy(zero_copy_only=True)
    numbers = numbers.view(bool) if numbers.dtype == np.uint8 else numbers
    numbers = numbers.reshape(-1, rows.type.list_size) if wide else numbers
    bounds = column.offsets.to_pylist()
    return [numbers[start:stop] for start, stop in pairwise(bounds)]


def _ragged(values: pa.Array, counts: Sequence[int]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, *accumulate(counts)], pa.int32()), values)
