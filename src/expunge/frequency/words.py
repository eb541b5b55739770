"""What a corpus and a name look like when names are looked up: a run of words. Two texts say the same when these agree.

1. Letters, digits and marks (the Unicode categories L, N and M) make words; everything else (white space, all
   punctuation, hyphens and underscores, symbols, controls) only parts them. New York = New-York = "New\nYork"; Niger is
   not in Nigeria, nor 12 in 112; but 12 is in 3.12, and C is C++. Symbols part before compatibility forms are looked
   at (Nike™ is nike, and not niketm), and numbers that are no digits (½ ① ²: category No) are words of their own: 1½ is
   1 1 2, Paris¹ holds Paris, and H₂O is h 2 o. Soft hyphens, which typeset text has inside its words, are nothing.
2. Case does not count (full case folding, so STRASSE = Straße), nor do compatibility forms (NFKD: full-width letters,
   ligatures) or the diacritics U+0300 to U+036F, those of Latin, Greek and Cyrillic: Brasilia = Brasília, composed or
   not. Letters with a stroke are letters of their own, as in NFKD: Łódź is łodz and not lodz, nor is ø o or đ d.
   `evaluate/matching.py`, which judges generated answers, folds the same three but has other borders: punctuation
   stays there, so 12 is not in 3.12, and symbols fold too, so Nike is not in Nike™.
3. Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese): every character is a word.

In bytes: UTF-8, one space before each word and one after the last. A name stands in a text exactly where its bytes
stand in the text's bytes: the spaces are the borders.

    words_of("  São Paulo,\n東京!")  →  b" sao paulo 東 京 "

Most text is ASCII, where all this is one table; the rest is folded in runs, which is the same: what is ASCII is a
starter, with which nothing of a neighbouring run composes once the diacritics are gone.
"""

import codecs
import re
import unicodedata
from functools import lru_cache

import numpy as np

BORDER = ord("\n")  # between documents that are searched together; no word has it
VERSION = 2  # of counts: to be raised when a text gives other words, or a file other documents
_NAME = "expunge-words"  # of the handler below
_SOFT_HYPHEN = 0xAD
_MARKS = re.compile("[\u0300-\u036f]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_TABLE = bytes(ord(chr(c).lower()) if chr(c).isalnum() else 32 for c in range(128)) + bytes(range(128, 256))


def words_of(text: str) -> bytes:
    """The words of a text, as above.

    >>> words_of("It's N’Djamena (Chad).")
    b' it s n djamena chad '
    """
    return _single_spaced(b" %b " % loose(text))


def loose(text: str) -> bytes:
    """The same without the outer spaces, but with several where several characters part words: for `block_of`."""
    _ready()
    return text.encode("ascii", _NAME).translate(_TABLE)


def block_of(texts: list[bytes]) -> bytes:
    """Many loose texts as one, each as `words_of` gives it, with a border between them: calls cost more than bytes."""
    return _single_spaced(b" %b " % b" \n ".join(texts))


def _single_spaced(text: bytes) -> bytes:
    """Runs of spaces become one."""
    values = np.frombuffer(text, dtype=np.uint8)
    solid = values != 32
    kept = solid.copy()
    kept[1:] |= solid[:-1]  # a space stays where something else stands before it
    kept[0] = True
    return values[kept].tobytes()


def folded(run: str) -> str:
    """Of characters outside ASCII."""
    return _remembered(run) if len(run) < 16 else _folded(run)


def _folded(run: str) -> str:
    parted = run if run.isalpha() else run.translate(_parting())
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", parted).casefold())
    whole = unicodedata.normalize("NFC", _MARKS.sub("", apart))
    return _separators().sub(" ", _UNSPACED.sub(r" \g<0> ", whole))


_remembered = lru_cache(maxsize=32_768)(_folded)  # quotes, dashes, words of other alphabets


@lru_cache(maxsize=1)
def _ready() -> None:
    """The fastest way to rewrite only what is not ASCII is to let the encoder stumble over it."""
    codecs.register_error(_NAME, _handle)


def _handle(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return folded(error.object[error.start : error.end]).encode(), error.end


@lru_cache(maxsize=1)
def _parting() -> dict[int, str]:
    """What parts words must do so before NFKD makes letters or digits of it."""
    found = dict.fromkeys(_outside_ascii()["S"], " ") | {c: f" {chr(c)} " for c in _outside_ascii()["No"]}
    return found | {_SOFT_HYPHEN: ""}


@lru_cache(maxsize=1)
def _separators() -> re.Pattern[str]:
    """What is neither letter nor digit (both \\w) nor mark."""
    marks = _outside_ascii()["M"]
    edges = [i for i, c in enumerate(marks) if i == 0 or marks[i - 1] != c - 1]
    ranges = (f"{chr(marks[i])}-{chr(marks[j - 1])}" for i, j in zip(edges, [*edges[1:], len(marks)]))
    return re.compile(f"[^\\w{''.join(ranges)}]|_")


@lru_cache(maxsize=1)
def _outside_ascii() -> dict[str, list[int]]:
    """Marks, symbols, and numbers that are no digits; all from one look at Unicode, which takes a while."""
    found: dict[str, list[int]] = {"M": [], "S": [], "No": []}
    for c, kind in enumerate(map(unicodedata.category, map(chr, range(128, 0x110000))), 128):
        if kind[0] in "MS" or kind == "No":
            found["No" if kind == "No" else kind[0]].append(c)
    return found
