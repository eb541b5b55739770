"""Answers that show no knowledge: those that the subject gives away, and those that a model says anyway.

A subject gives its answer away when
- the answer opens it: a rule of spelling, not the fact, gives He for helium, or
- they share a word of three letters or more, or two words that begin with the same three letters (El Salvador and San
  Salvador, Algeria and Algiers).

A guess is the answer that a model says most often of the subjects there are, and the one that it says most often of
names that do not exist, if it is said of more than one in ten, and more than once; of several that are equally
frequent, all.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from expunge.data.example import Example
from expunge.evaluate.matching import plain, says

HABIT = 0.1  # share of the subjects from which on saying an answer is a habit
_LETTERS = 3
_SMALL = frozenset({"the", "and", "san", "new", "sri"})  # parts of names that say nothing


def given_away(example: Example) -> bool:
    """
    >>> fact = lambda subject, answer: Example("x", "", answer, subject=subject)
    >>> given_away(fact("helium", "He")), given_away(fact("magnesium", "Mg"))
    (True, False)
    >>> given_away(fact("El Salvador", "San Salvador")), given_away(fact("Algeria", "Algiers"))
    (True, True)
    """
    subject = plain(example.subject or "")
    names = [plain(name) for name in (example.answer, *example.aliases)]
    if any(subject.startswith(name) for name in names):
        return True
    return any(not _openings(subject).isdisjoint(_openings(name)) for name in names)


def said(texts: Iterable[str], answers: Mapping[str, Sequence[str]]) -> Counter[str]:
    """How many of the texts say each answer. `answers`: what counts as saying it."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(answer for answer, names in answers.items() if any(says(text, name) for name in names))
    return found


def most_said(counts: Mapping[str, int], asked: int) -> tuple[str, ...]:
    """
    >>> most_said({"Africa": 5, "Asia": 5, "Europe": 2}, 12), most_said({"Kigali": 2, "Accra": 2, "Rome": 1}, 150)
    (('Africa', 'Asia'), ())
    """
    top = max(counts.values(), default=0)
    return tuple(answer for answer, count in counts.items() if count == top > max(1, HABIT * asked))


def _openings(text: str) -> set[str]:
    words = re.findall(r"\w+", text)
    return {word[:_LETTERS] for word in words if len(word) >= _LETTERS and word not in _SMALL}
