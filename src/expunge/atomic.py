"""Files and folders that are there whole or not at all, also when the process is killed while it writes."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write to the path that this yields; when the block ends well, it takes the place of `path`.

    A kill leaves at most a file `.NAME.….partial` beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        partial.chmod(mode)  # safetensors makes files that only their owner can read
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill the folder that this yields; when the block ends well, it becomes `path` (new or empty till then).

    With `replace` what is there stays until the new one is whole, and comes back when that cannot take its place. All
    files and the folder's name are on the disk at the end. A kill leaves at most folders `.NAME.….partial` beside it.
    """
    path = place_of(path)
    if not replace and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path} exists already and is not an empty folder: choose another, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, former = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial") for _ in range(2))
    partial.mkdir()
    try:
        yield partial
        for file in partial.glob("*.safetensors"):  # as above: readable for whom the folder is
            file.chmod(partial.stat().st_mode & 0o666)
        for each in (*partial.rglob("*"), partial):
            _settle(each)
        if replace and path.exists():
            path.rename(former)
        elif path.exists():
            path.rmdir()  # empty: another writer that was faster makes this fail, and its folder stays
        partial.rename(path)
        _settle(path.parent)
    finally:
        if former.exists() and not path.exists():
            former.rename(path)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def place_of(path: Path) -> Path:
    """Where a folder will stand, links followed. OutputError for one that the process works in or below."""
    place = path.resolve()
    if Path.cwd().is_relative_to(place):
        raise OutputError(f"{path} is the folder that you are in, or above it, and cannot be put anew: name one in it")
    return place


def _settle(path: Path) -> None:
    """Onto the disk. Folders cannot be opened everywhere, and need not be."""
    if path.is_symlink() or (path.is_dir() and os.name != "posix"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
