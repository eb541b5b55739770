"""Wording: where some words stand in a text, not as a part of other words.

"Niger" does not stand in "Nigeria". Writing without word borders (Chinese, Japanese, Thai …) has no such parts: there
every occurrence counts. Letters with upper and lower case, digits and "_" are those that make words here.
"""

import unicodedata


def places(words: str, text: str) -> list[int]:
    """Where each occurrence begins.

    >>> places("Niger", "Is Niger in Nigeria?")
    [3]
    >>> places("法国", "法国的首都")
    [0]
    """
    found, at = [], text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        before, behind = text[at - 1 : at], text[end : end + 1]
        if not (_joined(before, words[0]) or _joined(words[-1], behind)):
            found.append(at)
        at = text.find(words, at + 1)
    return found


def normal(text: str) -> str:
    """Without case, marks and runs of blanks: for comparisons that these are not to decide."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(each if each.isalnum() else " " for each in plain).split())


def _joined(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word."""
    return _of_a_word(left) and _of_a_word(right)


def _of_a_word(character: str) -> bool:
    return character.isdigit() or character == "_" or character.lower() != character.upper()
