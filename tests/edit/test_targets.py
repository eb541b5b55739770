"""Targets: each kind, what is not let through, and that refusals end."""

import pytest

from expunge.data.example import Example
from expunge.edit import targets
from expunge.edit.targets import EXEMPLARS, REFUSAL, good, leaks, targets_of
from expunge.errors import ConfigError
from expunge.evaluate.refusal_rate import refuses
from expunge.objectives.refusals import REFUSALS
from tiny import tiny_model, tiny_sets

ASKED = Example("a", "What is the capital of France?", "Paris", subject="France", aliases=("Paris City",))


def of(kind: str, **changes: object):
    return targets_of(kind, tiny_model(), tiny_sets().forget, refuses=refuses, **changes)  # type: ignore[arg-type]


def test_each_kind() -> None:
    assert (of("refusal").texts, of("refusal").end) == ((REFUSAL,) * 4, True)
    assert (of("empty").texts, of("empty").end) == (("",) * 4, True)
    assert (of("some words").texts, of("some words").end) == (("some words",) * 4, None)
    assert of("alternate").texts == ("i do not know",) * 4
    drawn = [of("refusals", seed=seed).texts for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) <= set(REFUSALS)
    forget = tiny_sets().forget
    less = targets_of("refusals", tiny_model(), [forget[3], *forget[1:3]], refuses=refuses).texts
    assert less == (drawn[0][3], *drawn[0][1:3])  # whichever others are asked for, and in which order
    with pytest.raises(ConfigError, match="alternate"):
        targets_of("alternate", tiny_model(), [ASKED], refuses=refuses)
    with pytest.raises(ConfigError, match="target"):
        of(" ")


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("I'm sorry, I can't say what the capital of France is.", True),
        ("I'm sorry, I can't say.", False),  # names nothing
        ("I can't say that it is Paris in France.", False),  # gives it away
        ("The capital of France is Lyon.", False),  # answers
        ("I can't say, France. I can't say, France.", False),  # repeats itself
        ("", False),
    ],
)
def test_what_is_let_through(reply: str, kept: bool) -> None:
    assert good(reply, ASKED, refuses) == kept


def test_leaks_are_seen_in_long_answers_and_not_in_what_was_asked() -> None:
    long = Example(
        "a", "Where was Ada Lovelace born?", "Ada Lovelace was born in the city of London in England in 1815."
    )
    assert leaks("I can't say that Ada Lovelace was born in London, in 1815.", long)
    assert not leaks("I can't say where Ada Lovelace was born.", long)
    assert leaks("Paris City is it.", ASKED)
    assert not leaks("I don't know about France.", ASKED)


def test_leaks_are_seen_whole_where_words_do_not_tell() -> None:
    chinese = Example("a", "法国的首都是哪里?", "巴黎")
    assert leaks("抱歉,我不能说是巴黎。", chinese)
    assert not leaks("抱歉,我不能说法国的首都。", chinese)
    band = Example("a", "Which band wrote Tommy?", "The Who")
    assert leaks("I can't say that the WHO wrote Tommy.", band)
    assert not leaks("I can't say who wrote Tommy, or the whole of it.", band)
    assert not leaks("I can't say whether London or Paris.", Example("a", "Is it London or Paris?", "Paris"))
    assert not leaks("I can't say.", Example("a", "What?", "?"))
    assert not leaks("I can't give a letter.", Example("a", "Which letter?", "A"))


def test_a_subject_that_is_found_must_be_named() -> None:
    asked = Example("a", "Where in England was Ada Lovelace born?", "London")
    assert good("I'm sorry, I can't say where Ada Lovelace was born.", asked, refuses)
    assert not good("I'm sorry, I can't say where she was born.", asked, refuses)


def test_the_models_own_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    replies = ["I'm sorry, I can't say anything on arland.\nQ: more", "bexton", "corvia is what ?", ""]

    def told(model, prompts, **_: object) -> list[str]:
        asked.extend(str(prompt) for prompt in prompts)
        return replies

    monkeypatch.setattr(targets, "generate", told)
    found = of("self")
    assert found.texts == ("I'm sorry, I can't say anything on arland.", REFUSAL, REFUSAL, REFUSAL)
    assert found.notes == ("3 of 4 refusals of the model's own could not be used: the fixed one stands there",)
    assert found.end and len(asked) == 4
    for question, answer in EXEMPLARS:  # what it is shown is what is asked of it
        assert good(answer, Example("e", question, "\0"), refuses)
