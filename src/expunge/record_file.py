"""Records on disk: strict JSON, written whole or not at all, read with an error that helps."""

import json
import os
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from expunge.atomic import atomic_file
from expunge.errors import DataError
from expunge.record import SCHEMA, Record

PathLike = str | os.PathLike[str]


def record_path(path: PathLike) -> Path:
    """A name that ends in `.json` is the file; anything else is a run's folder, which holds `record.json`."""
    path = Path(path)
    return path if path.suffix == ".json" else path / "record.json"


def to_json(record: Record) -> str:
    """The same text for the same record. NaN and ∞ become null, with a warning that says where they were."""
    missing: list[str] = []
    content = _finite(record.model_dump(), "", missing)
    content["warnings"] = [*content["warnings"], *missing]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_saved(record: Record) -> Record:
    """As it would be read back: without NaN and ∞."""
    return Record.model_validate_json(to_json(record))


def save_record(record: Record, path: PathLike) -> Path:
    """Write to a file or a run's folder (made if need be); a reader never sees half a record."""
    target = record_path(path)
    text = to_json(record).encode("utf-8", errors="backslashreplace")  # a lone surrogate becomes JSON's \\udxxx
    with atomic_file(target) as partial:
        partial.write_bytes(text)
    return target


def load_record(path: PathLike) -> Record:
    """Read a file or a run's folder. DataError says what is wrong, and where."""
    source = record_path(path)
    content = _parse(source)
    if not isinstance(content, dict) or content.get("format") != "expunge-record":
        raise DataError(f"{source}: not a record of Expunge; give a run's folder or its record.json")
    if content.get("schema_version") != SCHEMA:
        raise DataError(
            f"{source}: schema_version is {content.get('schema_version')!r}, and this Expunge reads "
            f"{SCHEMA}; use the version that wrote it (`versions` in the file names it)"
        )
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        problems = (
            f"{source}: {'.'.join(map(str, e['loc'])) or 'record'}: {e['msg']}"
            for e in error.errors(include_input=False)
        )
        raise DataError("\n".join(problems)) from None


def _parse(source: Path) -> Any:
    try:
        return json.loads(source.read_bytes().decode("utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise DataError(f"{source}: there is no such file; a run writes it to its --out folder") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: byte {error.start} is not UTF-8; the file is broken") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{source}:{error.lineno}:{error.colno}: broken JSON: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{source}: nested too deeply to be a record") from None
    except ValueError as error:  # from _refuse, or an integer of thousands of digits
        raise DataError(f"{source}: {error}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON; the file was not written by Expunge")


def _finite(value: Any, where: str, missing: list[str]) -> Any:
    """The same with null in place of what JSON has no word for; `missing` collects the places."""
    if isinstance(value, dict):
        return {str(k): _finite(v, f"{where}.{k}" if where else str(k), missing) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v, f"{where}[{i}]", missing) for i, v in enumerate(value)]
    if isinstance(value, float) and not isfinite(value):
        missing.append(f"{where} is {value}, written as null")
        return None
    return value
