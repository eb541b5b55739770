"""Building an infini-gram index of a corpus: tokens, where documents begin, and a suffix array of them.

    FOLDER/tokenized.0   documents, each after a separator, as words of two tokens of two bytes
    FOLDER/offset.0      where each begins
    FOLDER/table.0       the suffix array, which the package builds (Liu et al. 2024, arXiv:2401.17377)
    FOLDER/words.txt     the words: that in line n, counted from 1, has the number n
    FOLDER/index.json    what it was built from

While it is built it lies beside, as .FOLDER.building, with a note of how far it is: killed, the words that were written
need not be read again. The suffix array is then built anew, for the package cannot go on with one.

What is indexed are the words of `words.py`, not the tokens of a model: so the index counts what the engine `stream`
counts, in the same normal form. Tokens of four bytes would be simpler, but for them the builder takes 32 GiB whatever
the corpus; so a word is two tokens, the first from a range that no second is from, and a window of N words is one of 2N
tokens. After each document stand as many empty words (token 0) as the window is wide. Without them infini-gram loses
places: it takes the nearest other name on either side, in whatever document, and where one of the two lies beyond a
document's border it drops the place although the other is near. Deviations: the words, and the empty ones.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import UInt16

from expunge.atomic import atomic_file
from expunge.data.corpus import Load, corpus_id
from expunge.data.documents import documents
from expunge.errors import ConfigError, DataError, MissingExtraError, OutputError, RunError
from expunge.frequency.words import VERSION, words_of

FACTS, WORDS, STATE = "index.json", "words.txt", "state.json"
_KEEP_EVERY = 5.0  # seconds
FILES = ("tokenized.0", "offset.0", "table.0")
TOKENS = 2  # of a word
_FIRST = 1024  # tokens from 1 on that a word begins with
_SECOND = 2**16 - 1 - (_FIRST + 1)  # tokens after those, up to the separator
_SEPARATOR = b"\xff\xff"
_SAFE = re.compile(r"[\w./+@%:=-]+")  # the package hands paths to a shell as they are


@dataclass(frozen=True)
class Built:
    """What is known of an index that was built here."""

    folder: Path
    words: dict[bytes, int]
    window: int  # the widest that is exact
    read: tuple[int, int]  # documents, and rows that hold none
    corpus: str  # what it was built of: `corpus_id`

    def tokens(self, form: bytes) -> list[int] | None:
        """Of a form in the normal form; None if a word of it stands nowhere in the corpus."""
        numbers = [self.words.get(word, 0) for word in form.split()]
        return tokens_of(numbers).ravel().tolist() if all(numbers) else None


def tokens_of(numbers: list[int]) -> UInt16[np.ndarray, "words 2"]:
    """The two tokens of each word; of number 0, which is no word, twice 0.

    >>> tokens_of([1, 0]).tolist()
    [[1, 1025], [0, 0]]
    """
    given = np.array(numbers, dtype=np.int64)
    first, second = np.divmod(given - 1, _SECOND)
    found = np.stack([first + 1, second + _FIRST + 1], axis=1)
    found[given == 0] = 0
    return found.astype(np.uint16)


@dataclass(frozen=True)
class _State:
    """How far the writing of tokens is."""

    corpus: str  # of what: `corpus_id`
    window: int
    version: int = 1  # of what words are: the first did not note it
    pieces: int = 0  # that are done
    rows: int = 0
    empty: int = 0
    sizes: dict[str, int] = field(default_factory=dict)  # file → bytes that count


def building(folder: Path) -> Path:
    """Where an index lies while it is built."""
    return folder.with_name(f".{folder.name}.building")


def build(
    loads: Sequence[Load],
    folder: Path,
    window: int,
    *,
    field: str | None = None,
    memory: int = 2,
    processes: int = 1,
    tick: Callable[[int], object] = lambda _: None,
) -> Built:
    """Build, or go on with what a kill has left. The words of the corpus stand in memory while this runs, each once.

    `memory`: GiB for the suffix array. Raises ConfigError for a folder whose name no shell would take, OutputError
    where another index is half built there, RunError when the package fails.
    """
    check_built(folder)
    place = building(folder)
    corpus = corpus_id(loads, field)
    words, read = _written(loads, place, _state(place, corpus, window), field, tick)
    if not words:
        shutil.rmtree(place)
        raise DataError("the corpus holds no word: there is nothing to build an index of")
    if len(words) > _FIRST * _SECOND:
        shutil.rmtree(place)
        raise DataError(f"the corpus has {len(words):,} words; an index can hold {_FIRST * _SECOND:,}. Cut it in parts")
    (place / FILES[2]).unlink(missing_ok=True)  # half of one would be taken for whole
    _build_table(place, memory, processes)
    facts = {"version": VERSION, "window": window, "documents": read[0], "empty": read[1], "corpus": corpus}
    (place / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    (place / STATE).unlink()
    if folder.exists():
        folder.rmdir()  # empty, as has been checked
    place.rename(folder)
    return Built(folder, words, window, read, corpus)


def _state(place: Path, corpus: str, window: int) -> _State:
    """Of what lies there, or of a beginning. Raises OutputError for another index."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / STATE
    fresh = _State(corpus, window, VERSION, sizes=dict.fromkeys((*FILES[:2], WORDS), 0))
    if not path.exists():
        return fresh
    found = _State(**json.loads(path.read_text(encoding="utf-8")))
    if (found.corpus, found.window, found.version) != (corpus, window, VERSION):
        raise OutputError(
            f"{place}: an index of another corpus, for another window or by another version is half built there. Go on "
            "with those settings, or begin anew with --overwrite"
        )
    return found


def opened(folder: Path) -> Built:
    """An index that was built here. Raises OutputError for a folder that holds something else."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["version"] != VERSION:
            raise ValueError("another version built it, to which other things were words")
        lines = (folder / WORDS).read_bytes().split(b"\n")[:-1]
        words = {word: number for number, word in enumerate(lines, start=1)}
        read = int(facts["documents"]), int(facts["empty"])
        return Built(folder, words, int(facts["window"]), read, str(facts["corpus"]))
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"{folder}: the index cannot be read ({error}); remove it, and it is built anew") from None


def built_of(folder: Path) -> str:
    """What an index that was built here is of: `corpus_id`; "" where there is none."""
    try:
        return str(json.loads((folder / FACTS).read_text(encoding="utf-8"))["corpus"])
    except (OSError, ValueError, KeyError):
        return ""


def check_built(folder: Path) -> None:
    """What can be said before anything is read. Raises MissingExtraError or ConfigError."""
    check_package()
    if not _SAFE.fullmatch(str(folder.resolve())):
        raise ConfigError(f"--index {folder}: the builder takes no blanks or quotes in the name of a folder")


def check_package() -> None:
    """Raises MissingExtraError where the package is not installed, or not made for this machine."""
    try:
        import infini_gram.engine  # noqa: F401  # type: ignore[reportMissingImports]  # an extra, of Linux on x86-64
    except ImportError:
        raise MissingExtraError("infini-gram (for Linux on x86-64)", "frequency") from None


def _written(
    loads: Sequence[Load], place: Path, state: _State, field: str | None, tick: Callable[[int], object]
) -> tuple[dict[bytes, int], tuple[int, int]]:
    """Every word of the corpus with its number, the documents and the empty rows; their tokens are in the files."""
    pieces = [piece for load in loads for piece in load]
    paths = {name: place / name for name in state.sizes}
    for name, path in paths.items():
        path.touch()
        os.truncate(path, state.sizes[name])  # what was written after the last note is written again
    lines = paths[WORDS].read_bytes().split(b"\n")[:-1]
    words = {word: number for number, word in enumerate(lines, start=1)}
    tick(sum(piece.size for piece in pieces[: state.pieces]))
    with paths[FILES[0]].open("ab") as tokens, paths[FILES[1]].open("ab") as offsets, paths[WORDS].open("ab") as new:
        files = dict(zip((*FILES[:2], WORDS), (tokens, offsets, new), strict=True))
        said = time.monotonic()
        for piece in pieces[state.pieces :]:
            known, rows, empty = len(words), state.rows, state.empty
            for text in documents(piece, field):
                if text is None:
                    empty += 1
                    continue
                rows += 1
                numbers = [words.setdefault(word, len(words) + 1) for word in words_of(text).split(b" ")[1:-1]]
                offsets.write(np.array([tokens.tell()], dtype=np.uint64).tobytes())
                tokens.write(_SEPARATOR + tokens_of([*numbers, *[0] * state.window]).tobytes())
            new.writelines(word + b"\n" for word in list(words)[known:])
            state = replace(state, pieces=state.pieces + 1, rows=rows, empty=empty)
            tick(piece.size)
            if time.monotonic() - said > _KEEP_EVERY:
                _note(place, state, files)
                said = time.monotonic()
        _note(place, state, files)
    return words, (state.rows, state.empty)


def _note(place: Path, state: _State, files: Mapping[Any, IO[bytes]]) -> None:
    """First the files, then how much of them counts."""
    for file in files.values():
        file.flush()
        os.fsync(file.fileno())
    sizes = {name: file.tell() for name, file in files.items()}
    with atomic_file(place / STATE) as partial:
        partial.write_text(json.dumps(asdict(replace(state, sizes=sizes))) + "\n", encoding="utf-8")


def _build_table(folder: Path, memory: int, processes: int) -> None:
    """By the package, which skips what is there already. In a process of its own: it changes its folder, and exits."""
    place, limit = str(folder.resolve()), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    command = [
        sys.executable, "-m", "infini_gram.indexing", "--data_dir", place, "--save_dir", place, "--token_dtype", "u16",
        "--cpus", str(processes), "--mem", str(memory), "--ulimit", str(limit),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (folder / FILES[2]).is_file():
        raise RunError(f"infini-gram could not build its index: {(done.stderr or done.stdout).strip()[-500:]}")
