"""How facts are asked: wordings that the answer completes, with or without solved examples before them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from expunge.config import FactKind
from expunge.data.example import Example

# The first is the usual one; a calibration may find that a model answers another one better.
WORDINGS: dict[FactKind, tuple[str, ...]] = {
    "capital": (
        "The capital of {} is",
        "The name of the capital city of {} is",
        "The seat of government of {} is in the city of",
        "{}'s capital city is",
    ),
    "city": (
        "The city of {} is located in the country of",
        "{} is a city in",
        "The country in which {} lies is called",
    ),
    "element": (
        "The chemical symbol for {} is",
        "The symbol of the chemical element {} is",
        "On the periodic table {} is written as",
    ),
    "continent": (
        "{} is a country located on the continent of",
        "The continent on which {} lies is",
    ),
    "author": (
        "{} was written by",
        'The author of "{}" is',
        'The name of the writer of the classic work "{}" is',
    ),
    "currency": (
        "The currency of {} is the",
        "The official currency of {} is called the",
        "In {}, people pay with a currency called the",
    ),
}


@dataclass(frozen=True)
class Prompt:
    """A wording, and solved examples that stand before it, one a line."""

    wording: str
    shots: tuple[Example, ...] = ()

    def about(self, subject: str) -> str:
        solved = (f"{filled(self.wording, shot.subject or '')} {shot.answer}" for shot in self.shots)
        return "\n".join([*solved, filled(self.wording, subject)])

    def ask(self, example: Example, kind: FactKind) -> Example:
        """The fact, asked this way; the kind's other wordings, without examples before them, are its paraphrases."""
        assert example.subject is not None
        others = (filled(wording, example.subject) for wording in WORDINGS[kind] if wording != self.wording)
        return replace(example, prompt=self.about(example.subject), paraphrases=tuple(others))

    def ask_all(self, examples: Sequence[Example], kind: FactKind) -> list[Example]:
        return [self.ask(example, kind) for example in examples]


def filled(wording: str, subject: str) -> str:
    """
    >>> filled("{}'s capital city is", "the Gambia")
    "The Gambia's capital city is"
    """
    text = wording.format(subject)
    return text[:1].upper() + text[1:]
