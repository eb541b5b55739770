"""What a converted file comes down to: columns, one metric on one set by the index of the row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from expunge.errors import DataError
from expunge.evaluate.interval import Bounds

Role = Literal["forget", "retain", "test", "holdout", "twins", "train"]
Better = Literal["higher", "lower", "reference"]


@dataclass(frozen=True)
class Column:
    """One metric on one set. Without `values` there is only `value`, the mean or whatever was printed."""

    set: str
    metric: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    value: float | None = None
    n: int = 0  # examples behind `value`, where that is known
    better: Better = "higher"
    bounds: Bounds | None = (0.0, 1.0)
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Converted:
    """All columns of a file, and what a reader of them must know."""

    whose: str
    columns: tuple[Column, ...]
    roles: Mapping[str, Role]
    headline: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def number(value: Any, where: str) -> float | None:
    """A number or null. Raises DataError that says where something else stands."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: must be a number, but is {type(value).__name__}")
    return float(value)


def table(value: Any, where: str) -> dict[str, Any]:
    """An object. Raises DataError that says where something else stands."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be an object, but is {type(value).__name__}")
    return value


def field_of(rows: Mapping[str, Any], name: str, where: str) -> dict[str, float | None]:
    """A number of each row, {index: {name: number}}; a row that is null has none."""
    found = {}
    for index, row in rows.items():
        if row is None:
            found[index] = None
            continue
        row = table(row, f"{where}.{index}")
        if name not in row:
            raise DataError(f"{where}.{index}.{name}: is missing")
        found[index] = number(row[name], f"{where}.{index}.{name}")
    return found


def place(file: Path, *parts: str) -> str:
    """For error messages: file and field."""
    return f"{file}: {'.'.join(parts)}"
