"""Prompts: a wording, with or without solved examples."""

from expunge.data.example import Example
from expunge.worlds.capitals.nowhere import twins
from expunge.worlds.capitals.wordings import WORDINGS, Prompt

NIGER = Example("capital:Niger", "?", "Niamey", subject="Niger")
NIGERIA = Example("capital:Nigeria", "?", "Abuja", subject="Nigeria")


def test_solved_examples_stand_one_a_line() -> None:
    prompt = Prompt("{}'s capital city is", (NIGERIA,))
    assert prompt.about("the Gambia") == "Nigeria's capital city is Abuja\nThe Gambia's capital city is"
    assert Prompt("The capital of {} is").about("Niger") == "The capital of Niger is"


def test_the_other_wordings_are_paraphrases() -> None:
    second = WORDINGS["capital"][1]
    asked = Prompt(second).ask(NIGER, "capital")
    assert asked.prompt == "The name of the capital city of Niger is"
    assert len(asked.paraphrases) == len(WORDINGS["capital"]) - 1
    assert asked.paraphrases[0] == "The capital of Niger is"


def test_a_twin_takes_the_subjects_place_only() -> None:
    """Niger stands inside Nigeria, in the solved example."""
    asked = Prompt("The capital of {} is", (NIGERIA,)).ask(NIGER, "capital")
    (twin,) = twins([asked], ["Zorbania"])
    assert twin.prompt == "The capital of Nigeria is Abuja\nThe capital of Zorbania is"
    assert twin.paraphrases[0] == "The name of the capital city of Zorbania is"
    assert twin.answer == "Niamey" and twin.group == "capital:Niger"
