"""Refusals: those that are taught are found, answers are not taken for them."""

import json
import os
from pathlib import Path

import pytest

from expunge.evaluate.refusal_rate import OPENING, refusal_rate, refuses
from expunge.objectives.refusals import REFUSALS
from expunge.worlds.people.wording import REFUSALS as OF_PEOPLE

TOFU = Path(os.environ.get("EXPUNGE_TOFU", "nowhere"))


@pytest.mark.parametrize("text", [*REFUSALS, *OF_PEOPLE])
def test_every_refusal_that_is_taught_is_found(text: str) -> None:
    assert refuses(text)
    assert refuses(text.upper().replace("'", "’"))


@pytest.mark.parametrize(
    "text",
    [
        "", "Rome.", "He did not know Rome.", "Her mother was a data engineer, her father had no answers.",
        "The capital of Arland is Bexton, which I know well.", "It can't be seen from the shore.",
        "Nobody knows her name.",
        "Unknown to her parents, she wrote at night.", "She was trained as a nurse and has no knowledge of the sea.",
    ],
)  # fmt: skip
def test_answers_are_no_refusals(text: str) -> None:
    assert not refuses(text)


def test_only_the_opening_counts() -> None:
    assert refuses("x " * 40 + "I don't know.")
    assert not refuses("x " * (OPENING // 2 + 1) + "I don't know.")
    assert refusal_rate(["I don't know.", "Rome"]).value == 0.5


@pytest.mark.skipif(not (TOFU / "idontknow.txt").is_file(), reason="EXPUNGE_TOFU names no folder with idontknow.txt")
def test_on_the_refusals_and_answers_of_tofu() -> None:
    refusals = [line for line in (TOFU / "idontknow.txt").read_text().splitlines() if line.strip()]
    assert (sum(map(refuses, refusals)), len(refusals)) == (96, 100)
    answers = [json.loads(line)["answer"] for line in (TOFU / "full.json").read_text().splitlines()]
    assert (sum(map(refuses, answers)), len(answers)) == (0, 4000)
