"""ROUGE-L of one text against accepted answers. Lin 2004, W04-1013.

    R = LCS(answer, text) / |answer|,   P = LCS(answer, text) / |text|,   F1 = 2RP / (R + P)        in words

The package `rouge-score`, whose tokenizer keeps a-z and 0-9 only and, if asked, takes words to their Porter stem.
Deviations: with several accepted answers the best counts, and an answer without such a letter or digit, which would
score 0 whatever is said, is compared by the words of its own script (`matching.words`).
"""

from collections.abc import Sequence
from typing import Literal

from expunge.evaluate.matching import words

Part = Literal["recall", "fmeasure"]


def rouge_l(said: Sequence[str], answers: Sequence[Sequence[str]], part: Part, *, stemmer: bool) -> list[float]:
    """The score of each text, between 0 and 1.

    >>> rouge_l(["It is in Paris.", "Это Осло"], [["Paris is the city"], ["Осло"]], "recall", stemmer=True)
    [0.25, 1.0]
    """
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk: a second

    latin = RougeScorer(["rougeL"], use_stemmer=stemmer)
    other = RougeScorer(["rougeL"], tokenizer=_AnyScript())

    def score(text: str, answer: str) -> float:
        readable = any(c.isascii() and c.isalnum() for c in answer.lower())
        return float(getattr((latin if readable else other).score(answer, text)["rougeL"], part))

    return [max(score(text, each) for each in accepted) for text, accepted in zip(said, answers, strict=True)]


class _AnyScript:
    """What `rouge-score` asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
