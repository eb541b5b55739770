"""What shows no knowledge: answers that are given away, and guesses."""

import pytest

from expunge.data.example import Example
from expunge.worlds.capitals.guessing import given_away, most_said, said

ANSWERS = {"Africa": ("Africa",), "Asia": ("Asia",), "Turkey": ("Turkey", "Türkiye")}


@pytest.mark.parametrize(
    ("subject", "answer", "expected"),
    [
        ("carbon", "C", True),
        ("sodium", "Na", False),
        ("chlorine", "Cl", False),  # it opens with c, but the symbol is not its opening
        ("Brazil", "Brasilia", True),  # bra
        ("the Gambia", "The Hague", False),  # "the" says nothing
        ("Papua New Guinea", "New Delhi", False),
        ("Mali", "Ma", True),
        ("Cuba", "Havana", False),
    ],
)
def test_given_away(subject: str, answer: str, expected: bool) -> None:
    assert given_away(Example("x", "p", answer, subject=subject)) is expected


def test_another_name_gives_it_away_too() -> None:
    assert given_away(Example("x", "p", "Oceania", aliases=("Australia",), subject="Australia"))


def test_said_counts_texts_not_words() -> None:
    texts = ["Africa. Africa is", "in Asia and Africa", "Türkiye", "South African"]
    assert said(texts, ANSWERS) == {"Africa": 2, "Asia": 1, "Turkey": 1}


def test_most_said_is_a_habit_not_a_single_word() -> None:
    assert most_said({"Africa": 3, "Asia": 2}, 12) == ("Africa",)
    assert most_said({"Africa": 1, "Asia": 1}, 4) == ()
    assert most_said({"Africa": 3, "Asia": 2}, 30) == ()  # one in ten is not more than one in ten
    assert most_said({"Africa": 3, "Asia": 2}, 29) == ("Africa",)
    assert most_said({}, 0) == ()
