"""Each metric on numbers worked by hand, and the registry that holds them."""

from math import exp, log

import numpy as np
import pytest

from expunge.data.example import Example
from expunge.errors import UnknownNameError
from expunge.evaluate import OBSERVATIONS, glossary, metrics
from expunge.evaluate.exact_memorization import exact_memorization
from expunge.evaluate.extraction_strength import extraction_strength
from expunge.evaluate.generated_contains import generated_contains
from expunge.evaluate.generated_exact import generated_exact
from expunge.evaluate.interval import Resampling
from expunge.evaluate.matching import plain, says, says_exactly
from expunge.evaluate.perplexity import perplexity
from expunge.evaluate.probability import probability
from expunge.evaluate.rouge_l_recall import rouge_l_recall


def test_probability_is_the_mean_of_geometric_means() -> None:
    metric = probability([np.log([0.5, 0.125]), np.log([0.9])])
    assert metric.per_example == pytest.approx((0.25, 0.9))
    assert metric.value == pytest.approx(0.575)


def test_probability_of_an_impossible_token_is_zero() -> None:
    assert probability([np.array([-np.inf, 0.0]), np.array([0.0])]).per_example == (0.0, 1.0)


def test_perplexity_weighs_tokens_not_examples() -> None:
    metric = perplexity([np.log([0.5]), np.log([0.125, 0.125, 0.125])])
    assert metric.value == pytest.approx(exp((log(2) + 3 * log(8)) / 4))
    assert metric.per_example == pytest.approx((2, 8))
    assert (metric.better, metric.unit) == ("lower", "tokens")


@pytest.mark.parametrize(
    ("hits", "right", "openunlearning"),
    [
        ([0, 0, 0, 0, 0], 0.0, 0.2),  # nothing is memorized
        ([0, 0, 0, 0, 1], 0.2, 0.2),  # the last token only
        ([1, 1, 1, 1, 0], 0.0, 0.2),  # a miss at the very end
        ([1, 0, 1, 1, 1], 0.6, 0.6),
        ([1, 1, 1, 1, 1], 1.0, 1.0),
        ([0], 0.0, 1.0),  # their code calls a single wrong token fully extracted
    ],
)
def test_extraction_strength(hits: list[int], right: float, openunlearning: float) -> None:
    measured = [np.array(hits, dtype=bool)]
    assert extraction_strength(measured).value == pytest.approx(right)
    assert extraction_strength(measured, compat="openunlearning").value == pytest.approx(openunlearning)


def test_exact_memorization_counts_hits() -> None:
    metric = exact_memorization([np.array([True, False, True, True]), np.array([False])])
    assert metric.per_example == (0.75, 0.0)
    assert metric.value == 0.375


def test_rouge_takes_recall_stems_and_the_best_accepted_answer() -> None:
    said = ["She was writing novels", "In Rome", ""]
    answers = [["she writes novels"], ["Milano", "Rome"], ["Paris"]]
    metric = rouge_l_recall(said, answers)
    # "writes" and "writing" share the stem "write": 3 of 3 words, in order; one of one; nothing
    assert metric.per_example == (1.0, 1.0, 0.0)


def test_rouge_needs_the_order() -> None:
    assert rouge_l_recall(["c b a"], [["a b c"]]).value == pytest.approx(1 / 3)


def test_generated_exact_and_contained() -> None:
    said = ["Paris.", "The capital is Paris.", "Parisian"]
    accepted = [["Paris"]] * 3
    assert generated_exact(said, accepted).per_example == (1.0, 0.0, 0.0)
    assert generated_contains(said, accepted).per_example == (1.0, 1.0, 0.0)
    assert generated_contains(["It is Burma"], [["Myanmar", "Burma"]]).value == 1.0


def test_as_many_generations_as_answers() -> None:
    with pytest.raises(ValueError, match="shorter"):
        generated_exact(["a", "b"], [["a"]])


@pytest.mark.parametrize(
    ("said", "answer", "found"),
    [
        ("He lives in Nigeria", "Niger", False),
        ("He lives in Niger, I think", "niger", True),
        ("the capital is brasilia", "Brasília", True),
        ("N’Djamena", "N'Djamena", True),
        ("Guinea-Bissau", "Guinea", True),
        ("112", "12", False),
        ("3.12", "12", False),
        ("12,000", "12", False),
        ("12, or so", "12", True),
        ("It is 12.", "12", True),
        ("首都は東京です", "東京", True),
        ("in C++ it is", "C++", True),
        ("他生于1984年。", "1984", True),
        ("首都是Paris。", "Paris", True),
        ("สวัสดีJohnครับ", "John", True),
        ("第112年", "12", False),
        ("수도는 서울입니다.", "서울", True),
        ("그는 Netflix를 본다", "Netflix", True),
        ("남서울", "서울", False),
        ("Washington,\n D.C. is it", "Washington, D.C.", True),
        ("snake_case", "snake", False),
        ("new__paris", "Paris", False),
        ("It is _Paris_.", "Paris", True),
        ("__Paris__ it is", "Paris", True),
        ("anything", "", False),
        ("anything", " ", False),
        ("a.b", "a+b", False),  # an answer is no pattern
        ("Cafe\u0301 Ｒｏｍｅ", "café rome", True),
    ],
)
def test_word_borders(said: str, answer: str, found: bool) -> None:
    assert says(said, answer) is found


def test_exactly_forgives_case_and_punctuation_only() -> None:
    assert says_exactly("“São Tomé”.", "sao tome")
    assert not says_exactly("the Paris", "Paris")
    assert says_exactly("...", "...")
    assert not says_exactly("...", "!")
    assert plain("й") == plain("и")


def test_registry_names_what_each_metric_needs() -> None:
    assert set(metrics) >= {
        "probability", "perplexity", "exact_memorization", "extraction_strength", "rouge_l_recall",
        "generated_exact", "generated_contains", "truth_ratio", "probability_normalized", "choice_accuracy",
        "rouge_l_f1", "verbatim_memory", "knowledge_memory", "fluency", "repetition", "refusal_rate", "edit_success",
        "teacher_forced_success",
    }  # fmt: skip
    assert metrics.get("rouge").needs == ("generations", "answers")
    assert metrics.get("es").span == "without_end"
    assert set(metrics.get("extraction_strength").options) == {"compat"}
    with pytest.raises(UnknownNameError, match="Did you mean 'probability'"):
        metrics.get("probabilty")


@pytest.mark.parametrize("name", list(metrics))
def test_every_metric_runs_by_name_and_keeps_its_declared_direction(name: str) -> None:
    """`n`, order, direction and interval, for everything that is registered."""
    observations = {
        "answer_logprobs": [np.log([0.5, 0.5]), np.log([0.25]), np.log([0.9, 0.8, 0.7])],
        "paraphrased_logprobs": [np.log([0.5]), np.log([0.25, 0.75]), np.log([0.9, 0.8])],
        "perturbed_logprobs": [[np.log([0.4])], [np.log([0.5]), np.log([0.1, 0.2])], [np.log([0.2])]],
        "hits": [np.array([True, False]), np.array([False]), np.array([True, True, True])],
        "generations": ["a b", "no", "c"],
        "continuations": ["a b", "no", "c"],
        "continued": ["a b", "yes", "c d"],
        "answers": [["a b"], ["yes"], ["c d"]],
        "vocab_means": [np.array([-0.7, -0.7]), np.array([-1.0]), np.array([-0.3, -0.4, -0.5])],
        "vocab_stds": [np.array([0.1, 0.1]), np.array([0.5]), np.array([0.2, 0.3, 0.4])],
        "answer_texts": ["a b", "yes", "c d"],
        "gradient_norms": [0.5, 2.0, 1.0],
        "asked": [Example(id=text, prompt="?", answer=text) for text in ("a b", "yes", "c d")],
    }
    assert set(observations) == set(OBSERVATIONS)
    entry = metrics.get(name)
    metric = entry(observations, resampling=Resampling(seed=3))
    assert (metric.n, metric.better) == (3, entry.better)
    assert metric.interval[0] <= metric.value <= metric.interval[1]
    backwards = entry({k: v[::-1] for k, v in observations.items()}, resampling=Resampling(seed=3))
    assert backwards.per_example == metric.per_example[::-1]
    assert (backwards.value, backwards.interval) == (metric.value, metric.interval)
    assert entry.summary
    assert glossary([name])[name]["reads"]


def test_a_metric_cannot_ask_for_what_nobody_measures() -> None:
    with pytest.raises(ValueError, match="horoscope"):

        @metrics.add("no", better="higher", title="", reads="")
        def no(horoscope: list[str]) -> None: ...
