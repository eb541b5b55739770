"""Building an infini-gram index of a corpus: tokens, where documents begin, and a suffix array of them.

    FOLDER/tokenized.0   documents, each after a separator, as words of two tokens of two bytes
    FOLDER/offset.0      where each begins
    FOLDER/table.0       the suffix array, which the package builds (Liu et al. 2024, arXiv:2401.17377)
    FOLDER/words.txt     the words: that in line n, counted from 1, has the number n
    FOLDER/index.json    what it was built from

What is indexed are the words of `words.py`, not the tokens of a model: so the index counts what the engine `stream`
counts, in the same normal form. Tokens of four bytes would be simpler, but for them the builder takes 32 GiB whatever
the corpus; so a word is two tokens, the first from a range that no second is from, and a window of N words is one of 2N
tokens. After each document stand as many empty words (token 0) as the window is wide. Without them infini-gram loses
places: it takes the nearest other name on either side, in whatever document, and where one of the two lies beyond a
document's border it drops the place although the other is near. Deviations: the words, and the empty ones.
"""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt16

from expunge.atomic import atomic_folder
from expunge.errors import ConfigError, DataError, MissingExtraError, OutputError, RunError
from expunge.frequency.corpus import Load, corpus_id
from expunge.frequency.documents import documents
from expunge.frequency.words import words_of

FACTS, WORDS = "index.json", "words.txt"
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
    """Build. The words of the corpus stand in memory while this runs, each once; its text does not.

    `memory`: GiB for the suffix array. Raises ConfigError for a folder whose name no shell would take, RunError when
    the package fails.
    """
    check_built(folder)
    with atomic_folder(folder) as partial:
        words, read = _write_tokens(loads, partial, window, field, tick)
        if not words:
            raise DataError("the corpus holds no word: there is nothing to build an index of")
        _build_table(partial, memory, processes)
        (partial / WORDS).write_bytes(b"\n".join(words) + b"\n")
        corpus = corpus_id(loads, field)
        facts = {"version": 1, "window": window, "documents": read[0], "empty": read[1], "corpus": corpus}
        (partial / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return Built(folder, words, window, read, corpus)


def opened(folder: Path) -> Built:
    """An index that was built here. Raises OutputError for a folder that holds something else."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        lines = (folder / WORDS).read_bytes().split(b"\n")[:-1]
        words = {word: number for number, word in enumerate(lines, start=1)}
        read = int(facts["documents"]), int(facts["empty"])
        return Built(folder, words, int(facts["window"]), read, str(facts["corpus"]))
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"{folder}: the index cannot be read ({error}); remove it, and it is built anew") from None


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


def _write_tokens(
    loads: Sequence[Load], folder: Path, window: int, field: str | None, tick: Callable[[int], object]
) -> tuple[dict[bytes, int], tuple[int, int]]:
    words: dict[bytes, int] = {}
    empty = rows = at = 0
    with (folder / FILES[0]).open("wb") as tokens, (folder / FILES[1]).open("wb") as offsets:
        for piece in (piece for load in loads for piece in load):
            for text in documents(piece, field):
                if text is None:
                    empty += 1
                    continue
                rows += 1
                numbers = [words.setdefault(word, len(words) + 1) for word in words_of(text).split(b" ")[1:-1]]
                content = _SEPARATOR + tokens_of([*numbers, *[0] * window]).tobytes()
                tokens.write(content)
                offsets.write(np.array([at], dtype=np.uint64).tobytes())
                at += len(content)
            tick(piece.size)
    if len(words) > _FIRST * _SECOND:
        raise DataError(f"the corpus has {len(words):,} words; an index can hold {_FIRST * _SECOND:,}. Cut it in parts")
    return words, (rows, empty)


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
