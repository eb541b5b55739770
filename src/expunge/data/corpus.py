"""The files of a corpus, cut into pieces that can be read apart: byte ranges of lines, row groups, whole packed files.

Counting reads them, and key statistics do (`documents.py` has the texts in them). A load is what one process counts at
a time: a piece, or many small ones together.
"""

import glob
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Literal

from expunge.errors import DataError

Kind = Literal["rows", "list", "text", "passages", "whole", "parquet"]
Documents = Literal["line", "passage", "file"]  # what a document of a plain text is
_OF_TEXTS: Mapping[Documents, Kind] = {"line": "text", "passage": "passages", "file": "whole"}
KINDS: dict[str, Kind] = {
    ".jsonl": "rows", ".ndjson": "rows", ".json": "rows", ".parquet": "parquet",
    ".txt": "text", ".text": "text", ".md": "text",
}  # fmt: skip
PACKINGS = (".gz", ".bz2", ".xz", ".zst")
_SIZE = 32 << 20  # bytes of a piece
_NAMES = f"a name ends in {', '.join(KINDS)}, all but .parquet with {', '.join(PACKINGS)} after it if it is packed"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file. No document is in two of them, and every document is in one."""

    path: str
    kind: Kind
    packing: str = ""  # one of PACKINGS
    start: int = 0  # bytes: what begins from here on, before `stop`; of Parquet the number of a row group
    stop: int | None = None  # None: to the end
    size: int = 0  # bytes on the disk, for progress


Load = tuple[Piece, ...]


def files_of(corpus: Sequence[str]) -> list[Path]:
    """The files that paths, folders (everything in them that is readable) and patterns (* ? [] **) name, once each.

    A link keeps its own name, by which its kind is told: what it points to may have none (a blob of the Hub's cache).
    Raises DataError for a path that names nothing, or a file of another kind, with all of them.
    """
    found: dict[Path, Path] = {}  # by what a file is, whatever names lead to it
    problems = []
    for name in corpus:
        path = Path(name).expanduser()
        if path.is_file():
            there = [path]
            if kind_of(path) is None:
                problems.append(f"{name}: what kind of file this is cannot be told; {_NAMES}")
        elif path.is_dir():
            there = [each for each in _inside(path) if kind_of(each) is not None]
        else:
            there = [Path(each) for each in sorted(glob.glob(str(path), recursive=True)) if Path(each).is_file()]  # noqa: PTH207
            there = [each for each in there if kind_of(each) is not None]
        if not there:
            what = "no file in this folder can be read" if path.is_dir() else "there is no such file or folder"
            problems.append(f"{name}: {what}; {_NAMES}" if path.exists() else f"{name}: {what}")
        for each in there:
            found.setdefault(each.resolve(), each.absolute())
    if problems or not found:
        raise DataError("\n".join(["the corpus cannot be read", *problems]) if problems else "no corpus was given")
    return list(found.values())


def loads_of(files: Sequence[Path], documents: Documents = "line", size: int = _SIZE) -> list[Load]:
    """All pieces, in the order of the files, in loads. `documents`: what a document of a plain text is; a passage is
    what stands between empty lines.

    Raises DataError for a Parquet file that is broken.
    """
    loads: list[list[Piece]] = []
    room = 0
    for piece in (piece for path in files for piece in _cut(path, documents, size)):
        if piece.size > room:
            loads.append([])
            room = size
        loads[-1].append(piece)
        room -= piece.size
    return [tuple(load) for load in loads]


def corpus_id(loads: Sequence[Load], field: str | None) -> str:
    """A digest of which files, of which size and time, are read how. Their contents are not read for it."""
    pieces = [piece for load in loads for piece in load]
    real = {piece.path: Path(piece.path).resolve() for piece in pieces}  # another way to a file is no other file
    changed = {str(path): path.stat().st_mtime_ns for path in real.values()}
    told = json.dumps([field, [astuple(replace(piece, path=str(real[piece.path]))) for piece in pieces], changed])
    return hashlib.sha256(told.encode()).hexdigest()


def kind_of(path: Path) -> tuple[Kind, str] | None:
    """The kind and the packing that a name tells, or None."""
    packing = path.suffix.lower() if path.suffix.lower() in PACKINGS else ""
    kind = KINDS.get((Path(path.stem) if packing else path).suffix.lower())
    return None if kind is None or (packing and kind == "parquet") else (kind, packing)


def is_list(path: Path) -> bool:
    """Whether a file holds one JSON list, and not an object a line: its name ends in .json, and it begins with [."""
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as file:
        return file.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _inside(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order; hidden ones and those of hidden folders are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        yield from (Path(place, each) for each in sorted(names) if not each.startswith("."))


def _cut(path: Path, documents: Documents, size: int) -> Iterator[Piece]:
    known = kind_of(path)
    assert known is not None
    kind, packing = known
    kind = _OF_TEXTS[documents] if kind == "text" else kind
    length = path.stat().st_size
    if kind == "parquet":
        groups = _row_groups(path)
        for i, each in enumerate(groups):
            yield Piece(str(path), kind, start=i, stop=i + 1, size=each)
    elif packing or kind not in ("rows", "text") or is_list(path):
        yield Piece(str(path), "list" if kind == "rows" and is_list(path) else kind, packing, size=length)
    else:
        for start in range(0, length, size):
            yield Piece(str(path), kind, start=start, stop=min(start + size, length), size=min(size, length - start))


def _row_groups(path: Path) -> list[int]:
    """The size of each."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: broken Parquet: {str(error).splitlines()[0]}") from None
