"""A store of results: JSON values on disk, found by what they were computed from.

    DIR/KIND/HASH.json, HASH the SHA-256 of the key as canonical JSON

A result is there whole or not at all; of two processes that make the same one the last wins. A file that cannot be
read counts as absent. Only the hash of a key is kept; a value must hold no text of the sets and no answer of a model.
Everything here can be made again: the folder may be deleted at any time, and what was not used for longest goes by
itself when a folder `DIR/KIND` exceeds `LIMIT`.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from expunge.atomic import atomic_file

JSON: TypeAlias = bool | int | float | str | list[Any] | tuple[Any, ...] | Mapping[str, Any] | None  # one level of it
FORMAT = 1
LIMIT = 2**30  # bytes of a folder
Say = Callable[[str], object]


class Store:
    """`get(kind, key)` gives what `put(kind, key, value)` kept, also in an earlier process; None where nothing is.

    Numbers come back as they were, to the bit, NaN and infinity too; tuples come back as lists. `Store(None)` keeps
    nothing and finds nothing. `say` is told of files that cannot be read or written: that is never an error.
    """

    def __init__(self, folder: Path | None, *, say: Say = lambda _: None) -> None:
        self.folder = folder
        self._say = say

    def get(self, kind: str, key: Mapping[str, JSON]) -> JSON:
        """The value, or None."""
        if self.folder is None or not (path := self._path(self.folder, kind, key)).is_file():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if (found["format"], found["key"]) != (FORMAT, path.stem):
                raise ValueError("another format")
            value: JSON = found["value"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._say(f"{path} is broken ({type(error).__name__}) and is left out: it will be made again")
            return None
        with suppress(OSError):
            os.utime(path)  # used just now: see `trim`
        return value

    def put(self, kind: str, key: Mapping[str, JSON], value: JSON) -> None:
        """Keep a value. A folder that cannot be written to costs time later, not the run."""
        if self.folder is None:
            return
        path = self._path(self.folder, kind, key)
        text = json.dumps({"format": FORMAT, "key": path.stem, "value": value})
        try:
            with atomic_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
            trim(path.parent)
        except OSError as error:
            self._say(f"cannot keep results in {path.parent}: {error.strerror or type(error).__name__}")

    @staticmethod
    def _path(folder: Path, kind: str, key: Mapping[str, JSON]) -> Path:
        return folder / kind / f"{hash_of(key)}.json"


def hash_of(key: Mapping[str, JSON]) -> str:
    """SHA-256 of canonical JSON: the order of keys, and tuple or list, do not matter."""
    return sha256(json.dumps(key, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def trim(folder: Path, limit: int = LIMIT) -> None:
    """Delete the files of a folder (and of those in it) that were not used for longest, until `limit` bytes are left.

    What another process deletes meanwhile is gone already; files that it is still writing are left alone.
    """
    found: list[tuple[float, int, Path]] = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.name.startswith("."):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    excess = sum(size for _, size, _ in found) - limit
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        with suppress(OSError):
            path.unlink()
        excess -= size
