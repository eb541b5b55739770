"""The balanced true/false test: who always says the same scores one half."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch

from expunge.attacks import Target, true_false
from expunge.attacks.true_false import WORDS, statement
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example, Sets
from expunge.errors import RunError
from expunge.models.scoring import Scores
from tiny import tiny_model

FORGET = tuple(
    Example(f"f{i}", f"Who is {i} ?", f"right {i}", group=f"f{i}", perturbed_answers=(f"wrong {i}", f"false {i}"))
    for i in range(6)
)
RETAIN = tuple(
    Example(f"r{i}", f"Who is {i + 10} ?", f"this {i}", group=f"r{i}", perturbed_answers=(f"that {i}",))
    for i in range(12)
)


@pytest.fixture
def target() -> Target:
    model = tiny_model()
    return Target(model, FORGET, Encoder(model.tokenizer), sets=Sets(retain=RETAIN))


def judge(monkeypatch: pytest.MonkeyPatch, says: Callable[[Example, str], str]) -> list[str]:
    """Puts a judge in the model's place, and keeps what it was shown."""
    wanted: list[tuple[Example, str, str]] = []
    shown: list[str] = []

    def encode_many(self: Encoder, asked: Iterable[tuple[Example, str, str]]) -> list[Encoded]:
        first = len(wanted)
        wanted.extend(asked)
        shown.extend(text for _, text, _ in wanted[first:])
        return [Encoded((place, 0), 1, "", 0) for place in range(first, len(wanted))]

    def score(model: object, groups: list[list[Encoded]], **_: object) -> list[list[Scores]]:
        said = lambda example, text, word: torch.tensor([0.0 if says(example, text) == word else -1.0])
        return [[Scores(said(*wanted[each.ids[0]]), torch.tensor([True])) for each in group] for group in groups]

    monkeypatch.setattr(Encoder, "encode_many", encode_many)
    monkeypatch.setattr("expunge.attacks.true_false.score", score)
    return shown


@pytest.mark.parametrize("word", WORDS)
def test_always_the_same_word_is_one_half(target: Target, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    judge(monkeypatch, lambda example, text: word)
    (found,) = true_false.true_false(target)
    assert found.scores == (0.5,) * 6 and found.rows == tuple(range(6))


def test_a_log_probability_that_is_no_number_is_no_answer(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, lambda example, text: "True")
    nan = lambda model, groups, **_: [[Scores(torch.tensor([torch.nan]), torch.tensor([True]))] * 2 for _ in groups]
    monkeypatch.setattr("expunge.attacks.true_false.score", nan)
    with pytest.raises(RunError, match="true or false is not a finite number"):
        true_false.true_false(target)


def test_who_knows_scores_one(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lambda example, text: "True" if text.endswith(statement(example, example.answer)) else "False"
    judge(monkeypatch, right)
    (found,) = true_false.true_false(target)
    assert found.scores == (1.0,) * 6
    judge(monkeypatch, lambda *given: "False" if right(*given) == "True" else "True")
    (found,) = true_false.true_false(target)
    assert found.scores == (0.0,) * 6


def test_shots_are_solved_rightly_and_balanced(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = judge(monkeypatch, lambda *_: "True")
    true_false.true_false(target, shots=10)
    for text in shown:
        *shots, asked = text.split("\n\n")
        words = [shot.rpartition(" ")[2] for shot in shots]
        assert (words.count("True"), words.count("False")) == (5, 5)
        assert all(("Answer: This" in shot) == shot.endswith("True") for shot in shots)
        assert asked.endswith("True or False:")
    assert shown == [text for text in shown if "Who is" in text]
    assert len({text.rpartition("\n\n")[0] for text in shown}) == 6  # right and wrong after the same shots


def test_shots_are_balanced_where_the_retain_set_has_no_wrong_answers(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all say True. The wrong answer is that of another question."""
    bare = tuple(replace(each, perturbed_answers=()) for each in RETAIN)
    shown = judge(monkeypatch, lambda *_: "True")
    true_false.true_false(replace(target, sets=Sets(retain=bare)), shots=10)
    own = {each.prompt: f"Answer: T{each.answer[1:]}\n" for each in RETAIN}
    drawn = set()
    for text in shown:
        *shots, _ = text.split("\n\n")
        words = [shot.rpartition(" ")[2] for shot in shots]
        assert (words.count("True"), words.count("False")) == (5, 5)
        for shot in shots:
            right = own[shot.partition("\n")[0].removeprefix("Question: ")]
            assert (right in shot) == shot.endswith("True") and any(each in shot for each in own.values())
            drawn.add(shot)
    assert len(drawn) > 15
    again, before = judge(monkeypatch, lambda *_: "True"), list(shown)
    true_false.true_false(replace(target, sets=Sets(retain=bare)), shots=10)
    assert again == before
    same = tuple(replace(each, answer="this") for each in bare)  # nothing wrong can be shown
    assert true_false.true_false(replace(target, sets=Sets(retain=same))) == []


def test_no_false_statement_says_the_right_answer(target: Target) -> None:
    fact = replace(FORGET[0], answer="Paris", perturbed_answers=("Paris, France", "Oslo", "PARIS"))
    assert true_false._wrong(target, fact, 3) == ["Oslo"]


def test_nothing_without_wrong_answers_or_others(target: Target) -> None:
    bare = tuple(replace(each, perturbed_answers=(each.answer,)) for each in FORGET)
    assert true_false.true_false(replace(target, examples=bare)) == []
    assert true_false.true_false(replace(target, sets=Sets(retain=FORGET[:1]), examples=FORGET[:1])) == []
