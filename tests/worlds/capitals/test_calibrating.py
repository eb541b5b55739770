"""Which prompt is taken and what counts as known: a model of a few lines answers, all figures by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from expunge.data.example import Example
from expunge.worlds.capitals.calibrating import calibrate_kind
from expunge.worlds.capitals.nowhere import NOWHERE
from expunge.worlds.capitals.wordings import WORDINGS

FIRST, SECOND, THIRD, FOURTH = WORDINGS["capital"]
# chosen by: Arland, Corvia, Elbonia, Gondal; tested by: Bordavia, Duria, Freland, Hestia
PLACES = {
    "Arland": "Mexton", "Bordavia": "Nunmore", "Corvia": "Oarrow", "Duria": "Pexham", "Elbonia": "Qarrow",
    "Freland": "Rindum", "Gondal": "Sorwick", "Hestia": "Telham", "Jastria": "Jasto",
}  # fmt: skip
FACTS = [Example(f"capital:{name}", "?", city, subject=name) for name, city in PLACES.items()]
Answer = Callable[[Sequence[Example]], list[str]]


def model(knows: dict[str, set[str]], otherwise: str = "nothing", shots: set[str] | None = None) -> Answer:
    """Answers wording by wording for the subjects it knows; `shots`: those it knows behind solved examples."""

    def answer(examples: Sequence[Example]) -> list[str]:
        said = []
        for example in examples:
            *solved, question = (example.prompt or "").split("\n")
            wording = next(w for w in reversed(WORDINGS["capital"]) if _matches(w, question, example.subject or ""))
            known = shots if solved and shots is not None else knows.get(wording, set())
            said.append(f" {PLACES[example.subject]}, a city" if example.subject in known else f" {otherwise}")
        return said

    return answer


def _matches(wording: str, question: str, subject: str) -> bool:
    return wording.format(subject) == question


def test_the_first_half_chooses_and_the_second_tests() -> None:
    knows = {FIRST: {"Arland"}, SECOND: {"Arland", "Corvia", "Bordavia"}, THIRD: {"Bordavia", "Duria", "Freland"}}
    found = calibrate_kind("capital", FACTS, model(knows), shots=0)
    assert found.given_away == ("capital:Jastria",)  # Jas
    assert found.wording == SECOND  # the third is best on the half that does not choose
    assert [(each.right, each.asked) for each in found.tried] == [(1, 4), (2, 4), (0, 4), (0, 4)]
    assert (found.asked, found.right) == (8, 3)
    assert (found.test_asked, found.test_right) == (4, 1)
    assert found.known == ("capital:Arland", "capital:Bordavia", "capital:Corvia")
    assert set(found.unknown) == {fact.id for fact in FACTS} - set(found.known) - {"capital:Jastria"}
    assert (found.guesses, found.guessed, found.names) == ({}, (), 12)
    assert found.majority_right == 1


def test_of_equals_the_first_wording_is_taken() -> None:
    knows = {wording: {"Arland"} for wording in WORDINGS["capital"]}
    assert calibrate_kind("capital", FACTS, model(knows), shots=0).wording == FIRST


def test_what_is_said_of_names_that_do_not_exist_is_a_guess() -> None:
    """Mexton is said of whatever is not known: it is right for Arland, and no knowledge."""
    found = calibrate_kind("capital", FACTS, model({FIRST: {"Bordavia", "Corvia"}}, otherwise="Mexton"), shots=0)
    assert found.right == 3
    assert found.guesses == {"Mexton": (6, 12)}  # all real subjects but two, all made-up ones
    assert found.guessed == ("capital:Arland",)
    assert found.known == ("capital:Bordavia", "capital:Corvia")
    assert "capital:Arland" not in found.unknown
    assert "Mexton (6 real, 12 of 12 made-up)" in found.summary


def test_another_name_that_is_a_guess_shows_no_knowledge_either() -> None:
    """Corvia's is called Oarrow, and Mexton, too; Mexton is what is said of everything."""
    facts = [replace(fact, aliases=("Mexton",)) if fact.subject == "Corvia" else fact for fact in FACTS]
    found = calibrate_kind("capital", facts, model({FIRST: {"Bordavia"}}, otherwise="Mexton"), shots=0)
    assert found.guesses == {"Mexton": (7, 12)} and found.known == ("capital:Bordavia",)
    assert found.guessed == ("capital:Arland", "capital:Corvia")


def test_the_answer_most_said_of_real_subjects_is_a_guess_though_no_made_up_name_gets_it() -> None:
    def answer(examples: Sequence[Example]) -> list[str]:
        cities = {**PLACES, "Bordavia": "Mexton", **dict.fromkeys(NOWHERE, "nothing")}
        return [cities[example.subject or ""] for example in examples]

    found = calibrate_kind("capital", FACTS, answer, shots=0)
    assert found.guesses == {"Mexton": (2, 0)}
    assert found.guessed == ("capital:Arland",)
    assert found.unknown == ("capital:Bordavia",)


@pytest.mark.parametrize("helps", [True, False])
def test_solved_examples_are_taken_only_if_they_help(helps: bool) -> None:
    """The last of the choosing half, Gondal, is the solved example; three are left to choose by."""
    knows = {FIRST: {"Arland", "Hestia"}}
    behind = {"Arland", "Corvia", "Duria"} if helps else {"Duria", "Freland", "Hestia"}
    found = calibrate_kind("capital", FACTS, model(knows, shots=behind), shots=1)
    assert [(each.shots, each.right, each.asked) for each in found.tried][::4] == [(0, 1, 3), (1, 2 if helps else 0, 3)]
    assert found.wording == FIRST
    assert found.shots == (("capital:Gondal",) if helps else ())
    every = {*found.known, *found.unknown, *found.guessed}
    assert ("capital:Gondal" in every) is not helps
    assert found.asked == (7 if helps else 8)
    assert found.known == (
        ("capital:Arland", "capital:Corvia", "capital:Duria") if helps else ("capital:Arland", "capital:Hestia")
    )


def test_a_kind_that_is_not_known_at_all() -> None:
    found = calibrate_kind("capital", FACTS, model({}), shots=3)
    assert found.known == () and found.right == 0 and found.wording == FIRST and found.shots == ()
