"""The documents of a piece, one after the other: rows of JSON and Parquet files, lines, passages or the whole of texts.

A row's document is its `text` (or the field that was named); a row of a set is its question and its answer, or what is
said in its conversation; a row that is a text is that. Nothing is held but the line, the passage or the batch of rows
that is being read; a JSON list is held whole.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from expunge.data.corpus import Kind, Piece, is_list, kind_of
from expunge.errors import DataError, RunError

_BUFFER = 1 << 20
_BATCH = 256  # rows of a Parquet file
_QUESTIONS = ("prompt", "question", "direct_question")
_ANSWERS = ("answer", "direct_answer")
Of = partial[str | None]  # of `text_of`: a row → its document


def documents(piece: Piece, field: str | None = None, between: str = "\n") -> Iterator[str | None]:
    """The documents; None for each row that holds none. `between` stands between a question and its answer.

    Raises RunError for a file that breaks off or is damaged.
    """
    try:
        yield from _READERS[piece.kind](piece, partial(text_of, field=field, between=between))
    except (OSError, EOFError, ValueError, *_broken()) as error:
        raise RunError(f"{piece.path}: cannot be read to its end: {error or type(error).__name__}") from None


def check_readable(files: Sequence[Path], field: str | None = None, *, rows: int = 100) -> None:
    """Whether a document is found in the first rows of the first files; else DataError, before anything is counted."""
    for path in files[:rows]:
        known = kind_of(path)
        assert known is not None
        if not path.stat().st_size or known[0] == "text":
            continue
        piece = Piece(str(path), "list") if is_list(path) else Piece(str(path), *known)
        first = list(islice(documents(piece, field), rows))
        if first and not any(first):
            wanted = f"`{field}`" if field else "`text`, nor a question and an answer"
            raise DataError(
                f"{path}: none of the first {len(first)} rows is a JSON object with {wanted}; name the field that "
                "holds the text with --field, and write one object a line (or, in a .json file, a list of them)"
            )


def text_of(row: Any, field: str | None = None, between: str = "\n") -> str | None:
    """The document of a row.

    >>> text_of({"question": "Where is Oslo?", "answer": "In Norway"})
    'Where is Oslo?\\nIn Norway'
    """
    if isinstance(row, str) and field is None:
        return row
    if not isinstance(row, Mapping):
        return None
    found = row.get(field or "text")
    if isinstance(found, str):
        return found
    if field is not None:
        return None
    if isinstance(row.get("messages"), list):
        said = [part for turn in row["messages"] if isinstance(turn, Mapping) for part in _parts(turn.get("content"))]
    else:
        said = [next((row[name] for name in names if row.get(name)), None) for names in (_QUESTIONS, _ANSWERS)]
    texts = [each for each in said if isinstance(each, str)]
    return between.join(texts) if texts else None


def _parts(content: Any) -> Iterator[Any]:
    """What a turn says: a text, or a list of parts, of which some (pictures) have no text."""
    if isinstance(content, list):
        yield from (part.get("text") if isinstance(part, Mapping) else part for part in content)
    else:
        yield content


def _rows(piece: Piece, of: Of) -> Iterator[str | None]:
    wanted, load = of.keywords["field"] or "text", json.loads
    for line in _lines(piece):
        try:
            row = load(line)
        except (ValueError, RecursionError):
            if line.strip():
                yield None
            continue
        try:
            text = row[wanted]
        except (KeyError, TypeError, IndexError):
            text = None
        yield text if type(text) is str else of(row)


def _list(piece: Piece, of: Of) -> Iterator[str | None]:
    with _opened(piece) as file:
        found = json.loads(file.read().removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(found, list):
        raise ValueError("begins with [ and is no JSON list")
    yield from map(of, found)


def _passages(piece: Piece, of: Of) -> Iterator[str | None]:
    del of  # a text has no fields
    lines: list[str] = []
    for line in _lines(piece):
        text = line.decode(errors="replace")
        if text.strip():
            lines.append(text)
        elif lines:
            yield "".join(lines).strip()
            lines = []
    if lines:
        yield "".join(lines).strip()


def _texts(piece: Piece, of: Of) -> Iterator[str | None]:
    del of
    yield from (text for line in _lines(piece) if (text := line.decode(errors="replace").strip()))


def _whole(piece: Piece, of: Of) -> Iterator[str | None]:
    del of
    with _opened(piece) as file:
        yield file.read().decode(errors="replace")


def _parquet(piece: Piece, of: Of) -> Iterator[str | None]:
    from pyarrow.parquet import ParquetFile

    field = of.keywords["field"]
    with ParquetFile(piece.path) as file:
        there = file.schema_arrow.names
        wanted = [field] if field else ["text", *_QUESTIONS, *_ANSWERS, "messages"]  # a row whose text is null has more
        columns = [name for name in wanted if name in there]
        groups = range(file.num_row_groups)[piece.start : piece.stop]
        if not columns:
            yield from (None for i in groups for _ in range(file.metadata.row_group(i).num_rows))
        for batch in file.iter_batches(_BATCH, row_groups=list(groups), columns=columns) if columns else ():
            yield from map(of, batch.to_pylist())


def _lines(piece: Piece) -> Iterator[bytes]:
    """The lines that begin in the piece. One that reaches beyond its end belongs to it, and not to the next."""
    with _opened(piece) as file:
        at = piece.start
        if at:
            file.seek(at - 1)
            at += len(file.readline()) - 1  # the rest of a line that began before; of a line's end nothing is left
        if piece.stop is not None and at >= piece.stop:
            return
        for line in file:
            yield line if at else line.removeprefix(b"\xef\xbb\xbf")
            at += len(line)
            if piece.stop is not None and at >= piece.stop:
                return


@contextmanager
def _opened(piece: Piece) -> Iterator[IO[bytes]]:
    """Unpacked while it is read. Zstandard by pyarrow, which is here anyway; Python has it from 3.14 on only."""
    if piece.packing == ".zst":
        import pyarrow

        with pyarrow.input_stream(piece.path, compression="zstd") as raw, io.BufferedReader(raw, _BUFFER) as file:
            yield file
    else:
        with _opener(piece.packing)(piece.path, "rb") as raw:
            yield io.BufferedReader(raw, _BUFFER) if piece.packing else raw


def _opener(packing: str) -> Callable[..., Any]:
    import bz2
    import gzip
    import lzma

    plain = partial(open, buffering=_BUFFER)
    return {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(packing, plain)


def _broken() -> tuple[type[Exception], ...]:
    """What damaged files raise beside OSError."""
    import lzma
    import zlib

    return zlib.error, lzma.LZMAError


_READERS: Mapping[Kind, Callable[[Piece, Of], Iterator[str | None]]] = {
    "rows": _rows, "list": _list, "text": _texts, "passages": _passages, "whole": _whole, "parquet": _parquet,
}  # fmt: skip
