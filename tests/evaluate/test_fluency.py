"""Fluency, repetition, and the perplexity of what is generated."""

from math import log2

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.fluency import fluency
from expunge.evaluate.generated_perplexity import generated_perplexity
from expunge.evaluate.interval import Resampling
from expunge.evaluate.repetition import repetition
from expunge.evaluate.words import runs, words


def test_fluency_by_hand() -> None:
    # bigrams ab, ba, ab: entropy of (2/3, 1/3); trigrams aba, bab: 1 bit
    bigrams = -(2 / 3) * log2(2 / 3) - (1 / 3) * log2(1 / 3)
    assert fluency(["A b a B"]).value == pytest.approx((2 / 3 * bigrams + 4 / 3 * 1) / 2)


def test_fluency_of_short_and_repeated_texts_is_zero() -> None:
    assert fluency(["", "one", "no no no no no no"]).per_example == (0.0, 0.0, 0.0)
    assert fluency(["one two"]).value == 0.0  # one bigram, no trigram


def test_more_varied_texts_score_higher() -> None:
    varied, dull, broken = fluency(["a b c d e f g h", "a b c d a b c d", "a a a a a a a a"]).per_example
    assert varied > dull > broken == 0.0


def test_repetition_by_hand() -> None:
    assert repetition(["a b c a b c"]).value == pytest.approx(1 / 4)  # abc bca cab abc
    assert repetition(["a b", "", "a b c"]).per_example == (0.0, 0.0, 0.0)
    assert repetition(["no " * 10], n=1).value == pytest.approx(0.9)


def test_words_keep_apostrophes_and_marks() -> None:
    assert words("Don't! (São Tomé’s)") == ["don't", "!", "(", "são", "tomé’s", ")"]
    assert runs("a b", 3).total() == 0


def test_perplexity_weighs_tokens_and_leaves_empty_texts_out() -> None:
    found = generated_perplexity(
        [np.log([0.5]), np.array([]), np.log([0.125, 0.125])], resampling=Resampling(groups=("a", "b", "c"))
    )
    assert found.value == pytest.approx(2 ** (7 / 3))
    assert found.per_example == pytest.approx((2, 8))
    assert "1 of 3 texts are empty" in found.note
    with pytest.raises(ConfigError, match="every generated text is empty"):
        generated_perplexity([np.array([])])
