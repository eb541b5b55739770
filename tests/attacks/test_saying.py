"""What counts as said, and how a question with a begun answer is put to a model."""

import numpy as np
import pytest

from asking import FACTS, answering, target_of
from expunge.attacks.saying import Question, ask, generator_of, knowledge, prompt_tokens, said


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("It is Paris.", ["Paris"], 1.0),
        ("PARIS!", ["Rome", "Paris"], 1.0),
        ("Parisian", ["Paris"], 0.0),
        ("the old town of Wexford", ["Wexford old town"], 2 / 3),  # "old town" in order
        ("May 1965", ["2 May 1965"], 2 / 3),
        ("May", ["2 May 1965", "May of 1965", "spring"], 1 / 3),
        ("", ["Paris"], 0.0),
        ("首都は東京です", ["東京"], 1.0),
        ("首都は京都です", ["東京"], 0.5),  # 京: by characters, where no spaces are written
        ("Paris", [], 0.0),
    ],
)
def test_said(text: str, answers: list[str], expected: float) -> None:
    assert said(text, answers) == pytest.approx(expected)


def texts_of(questions: list[Question], *, chat: bool) -> list[str]:
    target = target_of(chat=chat)
    return [str(target.model.tokenizer.decode(ids)) for ids in prompt_tokens(target, questions)]


def test_a_beginning_follows_the_prompt_and_nothing_follows_it() -> None:
    questions = [
        Question(FACTS[0], beginning="Sure:"),
        Question(FACTS[1]),
        Question(FACTS[1], "Where is Bram?", "In"),
    ]
    assert texts_of(questions, chat=False) == [
        "Who employs Ada Holt? Sure:", "Bram Lunt lives in", "Where is Bram? In",
    ]  # fmt: skip
    chatted = texts_of(questions, chat=True)
    assert chatted[0].endswith("Who employs Ada Holt?<|im_end|>\n<|im_start|>assistant\nSure:")
    assert chatted[1].endswith("Bram Lunt lives in<|im_end|>\n<|im_start|>assistant\n")
    assert chatted[2].endswith("Where is Bram?<|im_end|>\n<|im_start|>assistant\nIn")


def test_knowledge_is_that_of_the_best_accepted_answer() -> None:
    target = target_of()
    with answering(lambda text: "at Silund" if "Ada" in text else "2 June 1965") as asked:
        assert knowledge(target, [Question(e) for e in FACTS]) == pytest.approx((1.0, 0.0, 2 / 3))
    assert asked == [e.prompt for e in FACTS]


def test_an_example_is_a_question_of_its_own() -> None:
    with answering(str.upper) as asked:
        assert ask(target_of(), FACTS[:2]) == ["WHO EMPLOYS ADA HOLT?", "BRAM LUNT LIVES IN"]
    assert len(asked) == 2


def test_randomness_belongs_to_seed_purpose_and_example() -> None:
    draw = lambda seed, purpose, i: generator_of(target_of(seed=seed), FACTS[i], purpose).random()
    assert draw(0, "x", 0) == draw(0, "x", 0)
    assert len({draw(seed, purpose, i) for seed in (0, 1, -1) for purpose in "xy" for i in (0, 1)}) == 12
    assert isinstance(generator_of(target_of(), FACTS[0], "x"), np.random.Generator)
