"""Searching documents for all names at once: Aho and Corasick 1975, "Efficient string matching", by `ahocorasick-rs`.

One pass over a text finds every place of every form, however many there are. Documents are searched in blocks of some
hundred kilobytes with a border between them, since calls cost more than short texts. No deviations.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np

from expunge.errors import MissingExtraError
from expunge.frequency.names import Plan
from expunge.frequency.tally import Tally
from expunge.frequency.words import BORDER, block_of, loose

_BLOCK = 1 << 18  # bytes
Places = dict[int, list[int]]  # name → where it begins in the block, in order


class Search:
    """The automaton of a plan, and what it has found."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        forms: dict[bytes, list[int]] = {}
        for name, each in enumerate(plan.names):
            for form in each:
                forms.setdefault(form, []).append(name)
        self._names = list(forms.values())  # of each form
        self._automaton = automaton(list(forms)) if forms else None
        self._answers: dict[int, dict[int, int]] = {}  # subject → answer → pair
        for pair, (subject, answer) in enumerate(plan.pairs):
            self._answers.setdefault(subject, {})[answer] = pair

    def tally(self, texts: Iterable[str | None]) -> Tally:
        """Of documents; None stands for a row that holds none."""
        tally = Tally.none(self.plan)
        block: list[bytes] = []
        size = rows = empty = 0
        for text in texts:
            if text is None:
                empty += 1
                continue
            rows += 1
            block.append(words := loose(text))
            size += len(words)
            if size >= _BLOCK:
                self._search(block_of(block), tally)
                block, size = [], 0
        if block:
            self._search(block_of(block), tally)
        tally.read[:] = rows, empty
        return tally

    def _search(self, block: bytes, tally: Tally) -> None:
        found = self._automaton.find_matches_as_indexes(block, overlapping=True) if self._automaton else ()
        if not found:
            return
        borders = [*np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == BORDER).tolist(), len(block)]
        names, end, present = self._names, -1, Places()
        for form, start, _ in found:  # in the order of where they end, so documents come one after the other
            if start > end:
                self._document(present, block, tally)
                present, end = {}, borders[bisect_left(borders, start)]
            for name in names[form]:
                present.setdefault(name, []).append(start)
        self._document(present, block, tally)

    def _document(self, present: Places, block: bytes, tally: Tally) -> None:
        for name, places in present.items():
            tally.names[name] += len(places)
        if len(present) < 2 and not any(name in self._answers.get(name, ()) for name in present):
            return
        for subject in present:
            answers = self._answers.get(subject)
            if answers is None:
                continue
            few, many = (present, answers) if len(present) < len(answers) else (answers, present)
            for answer in few:
                if answer in many:
                    self._both(answers[answer], present[subject], present[answer], block, tally)

    def _both(self, pair: int, subject: list[int], answer: list[int], block: bytes, tally: Tally) -> None:
        tally.documents[pair] += 1
        if self.plan.window is not None:
            origin = min(*subject, *answer)
            one, other = (_in_words(places, origin, block) for places in (subject, answer))
            tally.near_subject[pair] += _near(one, other, self.plan.window)
            tally.near_answer[pair] += _near(other, one, self.plan.window)


def automaton(forms: list[bytes]) -> Any:
    """Raises MissingExtraError without ahocorasick-rs."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, Implementation
    except ImportError:
        raise MissingExtraError("ahocorasick-rs", "frequency") from None
    # the whole table (DFA) is a tenth faster and takes a multiple of the memory
    return BytesAhoCorasick(forms, implementation=Implementation.ContiguousNFA)


def _in_words(places: list[int], origin: int, block: bytes) -> list[int]:
    """How many words after the origin each place is, in order: a word begins with its space."""
    found, at, words = [], origin, 0
    for place in sorted(places):
        words += block.count(b" ", at, place)
        at = place
        found.append(words)
    return found


def _near(places: list[int], others: list[int], window: int) -> int:
    """How many of the places have another within the window, on either side."""
    return sum(bisect_left(others, at - window) < bisect_right(others, at + window) for at in places)
