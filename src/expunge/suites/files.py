"""The official files of a suite: from a folder that an environment variable names, else from the Hub.

A file is called by its path inside the folder without its ending ("forget10_perturbed", "news/raw/forget"); JSON,
JSON lines, CSV and Parquet are read, and a Parquet file may carry the Hub's suffix of a single shard. A JSON list, or
JSON lines, of bare texts (as some publishers write documents) are rows with the field `text`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from expunge.data.checking import examples_of
from expunge.data.example import Example, Sets
from expunge.data.hub import PREFIX, read_hub
from expunge.data.overlap import check_overlap
from expunge.data.problems import SHOWN, Place, Problems
from expunge.data.readers import read_table
from expunge.data.rows import Row, Table

_ENDINGS = (".json", ".jsonl", ".ndjson", ".parquet", "-00000-of-00001.parquet", ".csv")


class Files:
    """Reads the files of one suite and collects what is wrong with them."""

    def __init__(self, variable: str, problems: Problems) -> None:
        """`variable` names the folder ("EXPUNGE_TOFU"); unset or empty means the Hub."""
        self.variable = variable
        self.problems = problems
        value = os.environ.get(variable, "")
        self.folder = Path(value).expanduser() if value else None
        self._lost = False  # a file of the Hub could not be had: each further one would be tried for half a minute
        self._reachable = self.folder is None or self.folder.is_dir()
        if not self._reachable:
            problems.add(Place(variable), None, f"there is no folder {value!r}")

    def examples(self, *names: str, hub: str, columns: Mapping[str, str] | None = None) -> list[Example]:
        """The rows of a file as examples; `columns` renames (see `data/checking.py`)."""
        return examples_of(self.read(*names, hub=hub), self.problems, columns)

    def read(self, *names: str, hub: str) -> Table:
        """The rows of the first of these files that is there; without a folder, of the Hub's `NAME:CONFIG:SPLIT`."""
        if not self._reachable:
            return Table(names[0])
        if self.folder is None:
            return self._from_hub(hub)
        path = self._found(names)
        if path is None:
            named = " or ".join(f"{name}.json" for name in names)
            hint = f"in the folder of {self.variable}; {', '.join(_ENDINGS[1:4])} and .csv will do, too"
            self.problems.add(Place(named), None, "there is no such file", hint)
            return Table(named)
        label = path.relative_to(self.folder).as_posix()
        if (texts := _bare_texts(path)) is not None:
            return Table(label, [Row(Place(label, row=i), {"text": each}) for i, each in enumerate(texts, start=1)])
        return read_table(path, self.problems, label)

    def checked(self, sets: Sets) -> Sets:
        """Raises DataError for what was wrong with the files; overlaps are only warned of: they are as published."""
        self.problems.check()
        overlaps = Problems()
        check_overlap(sets, overlaps)
        return replace(sets, warnings=(*self.problems.warned(), *map(str, overlaps.found[:SHOWN]), *overlaps.warned()))

    def has(self, *names: str) -> bool:
        """Whether the folder holds one of these files; False without a folder."""
        return self.folder is not None and self._found(names) is not None

    def _found(self, names: Sequence[str]) -> Path | None:
        return next((path for name in names for path in self._candidates(name) if path.is_file()), None)

    def _candidates(self, name: str) -> list[Path]:
        assert self.folder is not None
        stem = self.folder / name
        return [stem.with_name(stem.name + ending) for ending in _ENDINGS]

    def _from_hub(self, hub: str) -> Table:
        if self._lost:
            return Table(hub)
        before = len(self.problems.found)
        table = read_hub(PREFIX + hub, self.problems)
        if len(self.problems.found) > before:
            self._lost = True
            what = "is not set; a folder with the official files is read from there instead of the Hub"
            self.problems.add(Place(self.variable), None, what)
        return table


def _bare_texts(path: Path) -> list[str] | None:
    """The texts of a file that holds nothing but texts, else None."""
    try:
        if path.suffix == ".json":
            values = json.loads(path.read_bytes())
        elif path.suffix in (".jsonl", ".ndjson"):
            text = path.read_text(encoding="utf-8")
            if not text.lstrip().startswith('"'):
                return None
            values = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            return None
    except (ValueError, RecursionError, OSError):
        return None  # the ordinary reader says what is wrong, with its line
    bare = isinstance(values, list) and values and all(isinstance(each, str) for each in values)
    return values if bare else None
