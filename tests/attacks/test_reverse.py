"""The reversed question never tells what it asks for."""

from dataclasses import replace

import pytest

from asking import FACTS, asked, found, target_of
from expunge.attacks.reverse import turned


def test_prompt_and_score() -> None:
    (first, *_) = asked("reverse", target_of())
    assert first == "Which name is missing? Question: Who employs ____? Answer: Silund Energy. The missing name is"
    (finding,) = found("reverse", target_of(), lambda text: "Ada Lunt" if "Silund" in text else " Bram Lunt.")
    assert finding.scores == (0.5, 1.0, 0.0) and finding.rows == (0, 1, 2)


def test_the_subject_stands_nowhere() -> None:
    told = replace(FACTS[0], answer="ADA HOLT works for Silund.", prompt="Who employs Ada Holt, I mean ada holt?")
    assert turned(told).count("____") == 3 and "holt" not in turned(told).casefold()


def test_other_words_stay_whole_and_what_would_tell_the_name_is_not_asked() -> None:
    al = replace(FACTS[0], subject="Al", prompt="Which city does Al like, or AL?", answer="Bexley")
    assert turned(al).startswith("Which name is missing? Question: Which city does ____ like, or ____? Answer: Bexley.")
    assert turned(replace(al, answer="Albany")) == "" == turned(replace(al, prompt="Does Al like Alabama?"))
    assert turned(replace(al, prompt="Where is Albany?")) == ""


@pytest.mark.parametrize(
    "changes",
    [{"prompt": "Who employs her?"}, {"answer": "Ada Holt."}, {"subject": None}, {"prompt": None}],
)
def test_what_cannot_be_asked_is_left_out(changes: dict[str, str | None]) -> None:
    wrong = replace(FACTS[0], **changes)  # type: ignore[arg-type]
    assert turned(wrong) == ""
    if wrong.subject:
        (finding,) = found("reverse", target_of((wrong, FACTS[1])), lambda _: "Bram Lunt")
        assert (finding.rows, finding.scores) == ((1,), (1.0,))
        assert found("reverse", target_of((wrong,))) == []
