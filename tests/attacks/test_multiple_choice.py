"""Letters: what a model that goes by the letter gets, and one that goes by the option."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

from asking import FACTS, target_of
from expunge.attacks import Finding, Target, attacks
from expunge.attacks.multiple_choice import options_of, question_of, rotations
from expunge.errors import RunError


def judged(target: Target, log_prob: Callable[[str, str], float]) -> Finding:
    """The finding on a model whose log-probability of a letter is a function of prompt and letter."""
    decode = target.model.tokenizer.decode

    def score(_: object, groups: list[list[Any]], **__: object) -> list[list[Any]]:
        texts = [[(decode(list(e.ids[: e.start])), decode(list(e.ids[e.start :])).strip()) for e in g] for g in groups]
        return [[SimpleNamespace(log_probs=torch.tensor([log_prob(*each)])) for each in group] for group in texts]

    with patch("expunge.attacks.multiple_choice.score", score):
        (finding,) = attacks.get("multiple_choice")(target)
    return finding


def test_the_question() -> None:
    assert question_of(FACTS[1], ["Quarhaven", "Wexford"]) == (
        "Bram Lunt lives in\nA. Quarhaven\nB. Wexford\nThe letter of the right answer is"
    )
    assert rotations(["x", "y", "z"]) == [["x", "y", "z"], ["y", "z", "x"], ["z", "x", "y"]]


def test_no_wrong_option_says_the_right_answer() -> None:
    fact = replace(FACTS[1], answer="Wexford", perturbed_answers=("In Wexford, Kern", "Quarhaven", "wexford"))
    assert sorted(options_of(target_of(), fact)) == ["Quarhaven", "Wexford"]


def test_a_score_that_is_no_number_is_no_knowledge() -> None:
    with pytest.raises(RunError, match="the attack 'multiple_choice' is not a finite number in 3 places"):
        judged(target_of(), lambda _, letter: float("nan"))


def test_a_preference_for_letters_is_chance_exactly() -> None:
    finding = judged(target_of(), lambda _, letter: {"A": -0.1, "B": -2.0, "C": -7.0}[letter])
    assert finding.scores == pytest.approx((1 / 3, 1 / 3, 1 / 2), rel=1e-6)
    assert finding.rows == (0, 1, 2)
    assert finding.note == "chance reads 0.39"


def test_knowing_the_option() -> None:
    """The right option is three times as likely as each other: 3/5 of three, 3/4 of two."""
    right = {e.answer for e in FACTS}
    of = lambda prompt, letter: prompt.split(f"\n{letter}. ")[1].split("\n")[0]
    likely = lambda prompt, letter: float(torch.tensor(3.0 if of(prompt, letter) in right else 1.0).log())
    assert judged(target_of(), likely).scores == pytest.approx((0.6, 0.6, 0.75), rel=1e-6)


def test_options_once_each_in_an_order_of_the_examples_own() -> None:
    doubled = replace(FACTS[1], perturbed_answers=("wexford", "Quarhaven", "QUARHAVEN", "Thornmouth"))
    assert sorted(options_of(target_of(), doubled)) == ["Quarhaven", "Thornmouth", "Wexford"]
    orders = {tuple(options_of(target_of(seed=seed), FACTS[0])) for seed in range(30)}
    assert len(orders) == 6
    assert options_of(target_of(), FACTS[0]) == options_of(target_of(FACTS[::-1]), FACTS[0])


def test_without_a_wrong_option_there_is_no_question() -> None:
    only = replace(FACTS[1], perturbed_answers=("Wexford.",), answer="Wexford.")
    assert judged(target_of((only, FACTS[2])), lambda *_: -1.0).rows == (1,)
    assert attacks.get("multiple_choice")(target_of((only,))) == []


def test_on_a_network_neither_order_nor_budget_count() -> None:
    (plain,) = attacks.get("multiple_choice")(target_of())
    (turned,) = attacks.get("multiple_choice")(target_of(FACTS[::-1], budget=1))
    assert turned.scores[::-1] == pytest.approx(plain.scores, rel=1e-4)
    assert len({round(score, 5) for score in plain.scores}) == 3
