"""ROUGE-L F1: by hand, and against a longest common subsequence by brute force."""

from itertools import combinations

import numpy as np
import pytest

from expunge.evaluate.rouge_l_f1 import rouge_l_f1


def brute_force(said: list[str], answer: list[str]) -> float:
    """F1 from the longest common subsequence, found by trying all."""

    def subsequences(words: list[str], n: int) -> set[tuple[str, ...]]:
        return set(combinations(words, n))

    shortest = min(len(said), len(answer))
    common = max(n for n in range(shortest + 1) if n == 0 or subsequences(said, n) & subsequences(answer, n))
    if not common:
        return 0.0
    recall, precision = common / len(answer), common / len(said)
    return 2 * recall * precision / (recall + precision)


def test_against_brute_force() -> None:
    drawn = np.random.default_rng(0)
    for _ in range(50):
        said, answer = (drawn.choice(list("abcd"), size=drawn.integers(1, 8)).tolist() for _ in range(2))
        found = rouge_l_f1([" ".join(said)], [[" ".join(answer)]]).value
        assert found == pytest.approx(brute_force(said, answer))


def test_talkativeness_costs() -> None:
    short, long = rouge_l_f1(["rome", "rome is the answer"], [["rome"], ["rome"]]).per_example
    assert (short, long) == (1.0, pytest.approx(0.4))


def test_words_are_stemmed_for_openunlearning_only() -> None:
    said, answers = ["she walked"], [["she walks"]]
    assert rouge_l_f1(said, answers).value == rouge_l_f1(said, answers, compat="muse").value == 0.5
    theirs = rouge_l_f1(said, answers, compat="openunlearning")
    assert (theirs.value, "stemmed" in theirs.note) == (1.0, True)


def test_the_best_accepted_answer_counts() -> None:
    assert rouge_l_f1(["b c"], [["x", "b c"]]).value == 1.0
    assert rouge_l_f1([""], [["b"]]).value == 0.0


def test_an_answer_in_another_script_is_compared_by_its_own_words() -> None:
    said = ["Он родился в Осло", "首都は東京です", "x", "!"]
    answers = [["в Осло"], ["東京"], ["Осло", "x"], ["…"]]
    assert rouge_l_f1(said, answers).per_example == pytest.approx((2 / 3, 4 / 9, 1.0, 0.0))
