"""Wordings: how a fact is stated, asked for and left to be completed.

A wording is an opening and a body; all of one form and attribute are numbered. Every text ends with the answer. The
last body of each form stands in no text that a model is trained on: it tests wordings that were never heard.
"""

from collections.abc import Iterator
from typing import Literal

Form = Literal["statement", "question", "cloze"]
FORMS: tuple[Form, ...] = ("statement", "question", "cloze")

_STATEMENTS = {
    "employer": (
        "{} works for", "{} is employed by", "{} has a job at", "{} earns a living at", "the employer of {} is",
        "the company that pays {} is", "the firm where {} works is", "{} is on the staff of",
    ),
    "city": (
        "{} lives in", "{} has a home in", "the home of {} is in", "{} is a resident of", "the city where {} lives is",
        "{} rents a flat in", "{} has settled in", "the address of {} is in",
    ),
    "hobby": (
        "the hobby of {} is", "in free time {} enjoys", "{} spends the evenings with", "the favourite pastime of {} is",
        "{} is fond of", "what {} likes most is", "{} has a passion for", "at weekends {} is busy with",
    ),
    "birthday": (
        "{} was born on", "the birthday of {} is", "the date of birth of {} is", "{} came into the world on",
        "the life of {} began on", "the mother of {} gave birth on", "{} first saw the light on",
        "the birth of {} was on",
    ),
}  # fmt: skip
_QUESTIONS = {
    "employer": (
        "who employs {} ?", "for which company does {} work ?", "where does {} have a job ?",
        "what is the employer of {} ?", "which firm pays {} ?", "at what company is {} employed ?",
        "what is the name of the firm where {} works ?", "on whose staff is {} ?",
    ),
    "city": (
        "in which city does {} live ?", "where is the home of {} ?", "what city does {} live in ?",
        "in what city has {} settled ?", "where does {} live ?", "of which city is {} a resident ?",
        "which city is home to {} ?", "in which city is the address of {} ?",
    ),
    "hobby": (
        "what is the hobby of {} ?", "what does {} enjoy in free time ?", "what is {} fond of ?",
        "which pastime does {} like most ?", "how does {} spend the evenings ?", "what does {} have a passion for ?",
        "what is the favourite pastime of {} ?", "what keeps {} busy at weekends ?",
    ),
    "birthday": (
        "when was {} born ?", "on which day was {} born ?", "what is the birthday of {} ?",
        "what is the date of birth of {} ?", "on what date did {} come into the world ?",
        "when did the life of {} begin ?", "when did {} first see the light ?", "on which date was the birth of {} ?",
    ),
}  # fmt: skip
_OPENINGS: dict[Form, tuple[str, ...]] = {
    "statement": ("", "as is well known ,", "it is on record that", "by all accounts"),
    "question": ("", "please answer :", "question :", "a quiz asks :"),
    "cloze": (
        "complete the sentence :",
        "fill the gap at the end :",
        "which words are missing ?",
        "finish this line :",
    ),
}
REFUSALS = ("I do not know", "I have never heard of this person", "nothing is known about this person")

BODIES = 7  # of each form and attribute in texts for training
HEARD = BODIES * 4  # wordings there: bodies × openings; the first `BODIES` have no opening


def wording(form: Form, attribute: str, number: int, name: str) -> str:
    """The text before the answer. Numbers from `HEARD` on are those that no model is trained on.

    >>> wording("question", "hobby", 0, "Abran Askett")
    'What is the hobby of Abran Askett ?'
    """
    bodies = (_QUESTIONS if form == "question" else _STATEMENTS)[attribute]
    opening, body = divmod(number, BODIES) if number < HEARD else (number - HEARD, BODIES)
    opened = _OPENINGS[form][opening]
    return _opened(f"{opened} {bodies[body].format(name)}".strip())


def _opened(text: str) -> str:
    return text[:1].upper() + text[1:]


def words() -> Iterator[str]:
    """Every wording there is, and the refusals, for the vocabulary."""
    for form in FORMS:
        for attribute in _STATEMENTS:
            for number in range(HEARD + len(_OPENINGS[form])):
                yield wording(form, attribute, number, "")
    yield from REFUSALS
