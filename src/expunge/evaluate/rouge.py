"""ROUGE-L of one text against accepted answers. Lin 2004, W04-1013.

    R = LCS(answer, text) / |answer|,   P = LCS(answer, text) / |text|,   F1 = 2RP / (R + P)        in words

The package `rouge-score`, whose tokenizer keeps a-z and 0-9 only and, if asked, takes words to their Porter stem.
Deviations: with several accepted answers the best counts, and an answer without such a letter or digit raises in place
of scoring 0.
"""

from collections.abc import Sequence
from typing import Literal

from expunge.errors import RunError

Part = Literal["recall", "fmeasure"]


def rouge_l(
    said: Sequence[str], answers: Sequence[Sequence[str]], part: Part, *, stemmer: bool, metric: str
) -> list[float]:
    """The score of each text, between 0 and 1. `metric` is named where an answer cannot be scored.

    >>> rouge_l(["It is in Paris."], [["Paris is the city"]], "recall", stemmer=True, metric="rouge_l_recall")
    [0.25]
    """
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk: a second

    scorer = RougeScorer(["rougeL"], use_stemmer=stemmer)
    each = []
    for number, (text, accepted) in enumerate(zip(said, answers, strict=True)):
        if not any(c.isascii() and c.isalnum() for answer in accepted for c in answer.lower()):
            raise RunError(
                f"ROUGE reads only the letters a-z and digits, and the answer of example {number} has none; "
                f"leave `{metric}` out of `--metrics`, or use `generated_contains`"
            )
        each.append(max(float(getattr(scorer.score(answer, text)["rougeL"], part)) for answer in accepted))
    return each
