"""The files of a command that makes one: its record and its page stand beside it, with its name."""

from pathlib import Path

from expunge.errors import DataError, OutputError
from expunge.record import Record
from expunge.record_file import load_record


def record_at(out: Path) -> Path:
    """Beside the file."""
    return out.with_suffix(".json")


def page_at(out: Path) -> Path:
    """Beside the file."""
    return out.with_suffix(".html")


def record_of(place: Path, out: Path, command: str) -> Record | None:
    """The record that an earlier run of the command left at `place`, if there is one.

    Raises OutputError for any other file: it is not ours to replace.
    """
    if not (place.exists() or place.is_symlink()):
        return None
    try:
        found = load_record(place)
    except DataError:
        found = None
    if found is None or found.command != command:
        raise OutputError(
            f"--out {out}: its record would be {place}, and there is a file that is no record of `expunge "
            f"{command}`. Choose another name"
        )
    return found
