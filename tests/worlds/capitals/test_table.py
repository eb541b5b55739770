"""The built-in table of facts."""

from collections import Counter

import pytest

from expunge.worlds.capitals.guessing import given_away
from expunge.worlds.capitals.nowhere import NAMES, NOWHERE, twins
from expunge.worlds.capitals.table import KINDS, answers_of, digest, facts, kind_of

SIZES = {"capital": 165, "element": 100, "city": 100, "continent": 160, "author": 156, "currency": 118}


def test_facts_are_whole_and_unique() -> None:
    every = facts(*KINDS)
    assert Counter(kind_of(example) for example in every) == SIZES
    assert max(Counter(example.id for example in every).values()) == 1
    for example in every:
        assert example.prompt and example.answer and example.subject
        for prompt in (example.prompt, *example.paraphrases):
            assert example.subject.lower() in prompt.lower()
            assert len(example.answer) < 3 or example.answer.lower() not in prompt.lower()


def test_the_demos_facts_stand_first_and_in_order() -> None:
    """A seeded choice among them depends on it."""
    ids = [example.id for example in facts("city", "capital", "element")]
    assert ids == [example.id for kind in ("capital", "element", "city") for example in facts(kind)]
    assert (ids[0], ids[165], ids[265]) == ("capital:China", "element:hydrogen", "city:Kinshasa")


def test_the_majority_guess_is_left_out() -> None:
    assert all(example.answer != "China" for example in facts("city"))


def test_some_facts_by_hand() -> None:
    answers = {example.id: example.answer for example in facts(*KINDS)}
    assert answers["author:Middlemarch"] == answers["author:Silas Marner"] == "George Eliot"
    assert answers["author:The Metamorphosis"] == "Franz Kafka"
    assert answers["author:The Metamorphoses"] == "Ovid"
    assert answers["currency:Norway"] == "krone"
    assert answers["currency:Sweden"] == "krona"
    assert answers["currency:Saudi Arabia"] == "riyal"
    assert "currency:Bulgaria" not in answers  # changed to the euro in 2026
    assert answers["element:tungsten"] == "W"


def test_answers_with_all_that_counts_as_saying_them() -> None:
    found = answers_of(facts("currency"))
    assert found["ruble"] == ("ruble", "rouble", "rubles")
    assert found["yen"] == ("yen",)
    assert "rial" in found and "rial" not in found["riyal"]  # another country's answer
    continents = answers_of(facts("continent"))
    assert continents["Asia"] == ("Asia",) and continents["Europe"] == ("Europe",)


def test_the_digest_is_of_what_is_asked() -> None:
    one, two = facts("capital")[:2]
    assert digest([one]) == digest(facts("capital")[:1]) != digest([two])


def test_twins_ask_the_same_of_names_that_do_not_exist() -> None:
    netherlands = next(example for example in facts("capital") if example.subject == "the Netherlands")
    first, *_ = made = list(twins([netherlands]))
    assert len(made) == len(NOWHERE)
    assert first.prompt == f"The capital of {NOWHERE[0]} is"
    assert first.paraphrases[-1] == f"{NOWHERE[0]}'s capital city is"
    assert first.group == netherlands.id and first.answer == "Amsterdam"


@pytest.mark.parametrize("kind", KINDS)
def test_no_made_up_name_is_a_subject_or_an_answer(kind: str) -> None:
    known = {name for example in facts(*KINDS) for name in (example.subject, example.answer, *example.aliases)}
    assert len(set(NAMES[kind])) == 12  # type: ignore[index]
    assert not known & set(NAMES[kind])  # type: ignore[index]


def test_what_subjects_give_away() -> None:
    elements = facts("element")
    hidden = [example.answer for example in elements if not given_away(example)]
    assert {"Mg", "Na", "K", "Fe", "Ag", "Au", "W", "Cs"} <= set(hidden)
    assert not {"H", "He", "Li", "O", "C", "U"} & set(hidden)
    given = [example.subject for example in facts("capital") if given_away(example)]
    assert given == ["Brazil", "Algeria", "Taiwan", "the Dominican Republic", "El Salvador", "the Maldives", "Belize"]
