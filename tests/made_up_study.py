"""Jobs of a study that squares numbers."""

from collections.abc import Sequence
from pathlib import Path

from expunge.studies.running import read_result, write_result


def square(folder: Path, *, number: int) -> None:
    if number < 0:
        raise ValueError(f"{number} is negative")
    write_result(folder, {"square": number * number})


def total(folder: Path, *, folders: Sequence[str]) -> None:
    write_result(folder, {"total": sum((read_result(Path(each)) or {})["square"] for each in folders)})
