"""The official files of a suite: from a folder that an environment variable names, else from the Hub.

A file is called by its path inside the folder without its ending ("forget10_perturbed", "news/raw/forget"); JSON,
JSON lines, CSV and Parquet are read, and a Parquet file may carry the Hub's shard suffix. In a JSON list of bare
texts (as MUSE's own script writes documents) each text is a row with the field `text`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from expunge.data.hub import PREFIX, read_hub
from expunge.data.problems import Place, Problems
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
        self._reachable = self.folder is None or self.folder.is_dir()
        if not self._reachable:
            problems.add(Place(variable), None, f"there is no folder {value!r}")

    def read(self, file: str, hub: str) -> Table:
        """The rows of `file`, or of the Hub data set `hub` ("locuslab/TOFU:full:train") without a folder."""
        if not self._reachable:
            return Table(file)
        if self.folder is None:
            return self._from_hub(hub)
        path = self._found(file)
        if path is None:
            named = f"{file}{_ENDINGS[0]}"
            self.problems.add(Place(named), None, "there is no such file", f"in the folder of {self.variable}")
            return Table(named)
        label = path.relative_to(self.folder).as_posix()
        texts = _bare_texts(path)
        if texts is not None:
            return Table(label, [Row(Place(label, row=i), {"text": each}) for i, each in enumerate(texts, start=1)])
        return read_table(path, self.problems, label)

    def has(self, file: str) -> bool:
        """Whether the folder holds this file; False without a folder."""
        return self.folder is not None and self._found(file) is not None

    def _found(self, file: str) -> Path | None:
        assert self.folder is not None
        return next((path for path in self._candidates(self.folder / file) if path.is_file()), None)

    def _candidates(self, stem: Path) -> Iterator[Path]:
        return (stem.with_name(stem.name + ending) for ending in _ENDINGS)

    def _from_hub(self, hub: str) -> Table:
        before = len(self.problems.found)
        table = read_hub(PREFIX + hub, self.problems)
        if len(self.problems.found) > before:
            what = "is not set; a folder with the official files is read from there instead of the Hub"
            if not any(problem.place.file == self.variable for problem in self.problems.found):
                self.problems.add(Place(self.variable), None, what)
        return table


def _bare_texts(path: Path) -> Sequence[str] | None:
    """The texts of a JSON list of nothing but texts, else None."""
    if path.suffix != ".json":
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError):
        return None  # the ordinary reader says what is wrong, with its line
    return value if isinstance(value, list) and value and all(isinstance(each, str) for each in value) else None
