"""Writing a report: the suffix of the file says which kind."""

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from expunge.atomic import atomic_file
from expunge.errors import ConfigError, OutputError
from expunge.record import Record
from expunge.record_file import as_saved
from expunge.report.markdown import to_markdown
from expunge.report.page import to_html
from expunge.report.summary import to_json

KINDS: dict[str, Callable[[Sequence[Record]], str]] = {
    ".html": to_html, ".md": to_markdown, ".json": to_json,
}  # fmt: skip
_MARKS = {".html": rb"<footer>Made by Expunge[^<]* of the runs?;", ".md": rb"\n## What was asked\n\n    expunge "}


def write_report(records: Record | Sequence[Record], path: str | os.PathLike[str], formats: Sequence[str] = ()) -> Path:
    """Write one report on all records: to `path`, and beside it once for each of `formats` ("html", "md",
    "json").

    Gives `path`. Records about the same sets stand side by side, others one after the other. The same records give
    the same bytes. Raises OutputError rather than write over a record.
    """
    records = [as_saved(each) for each in ([records] if isinstance(records, Record) else records)]
    if not records:
        raise ConfigError("a report needs at least one record; give the folder of a run")
    path = Path(path)
    paths = list(dict.fromkeys([path, *(path.with_suffix("." + kind.lstrip(".")) for kind in formats)]))
    if unknown := [p.name for p in paths if p.suffix not in KINDS]:
        raise ConfigError(f"{unknown[0]}: a report is written as {', '.join(KINDS)}; end the file's name so")
    if kept := [p for p in paths if _format(p) == "expunge-record"]:
        raise OutputError(f"{kept[0]} is the record of a run, which no report replaces; name another file")
    for target in paths:
        with atomic_file(target) as partial:
            partial.write_text(KINDS[target.suffix](records), encoding="utf-8", errors="replace", newline="\n")
    return path


def check_report(path: Path, *, overwrite: bool) -> None:
    """Raises OutputError for a file that is there and is no report, unless `overwrite`."""
    if path.exists() and not overwrite and not is_report(path):
        raise OutputError(f"--out {path}: there is such a file, which is no report. Choose another, or add --overwrite")


def is_report(path: Path) -> bool:
    """Whether an earlier report on runs stands there."""
    if path.suffix == ".json":
        return _format(path) == "expunge-report"
    mark = _MARKS.get(path.suffix)
    return mark is not None and path.is_file() and re.search(mark, path.read_bytes()) is not None


def _format(path: Path) -> str | None:
    """What a JSON file says that it is: a record and a report do."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return found.get("format") if isinstance(found, dict) else None
