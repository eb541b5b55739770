"""ROUGE-L F1 of greedy answers. Lin 2004, W04-1013; as MUSE uses it (Shi et al. 2024, arXiv:2407.06460).

    F1 = 2RP / (R + P),   R = LCS(answer, generation) / |answer|,   P = LCS(answer, generation) / |generation|

In words as they stand: MUSE stems nothing. OpenUnlearning stems in its MUSE evaluation too, so its table is of another
number: `compat="openunlearning"`. RWKU's "ROUGE-L" is a recall from another package (`rouge`), which splits words and
counts repeated ones differently; it is not offered here. Deviations: see `rouge.py`.
"""

from collections.abc import Sequence
from typing import Literal

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.rouge import rouge_l

Compat = Literal["none", "muse", "openunlearning"]


@metrics.add(
    "rouge_l_f1",
    better="higher",
    title="ROUGE-L F1",
    reads=(
        "How far the model's answer and the right one share words in the same order. A right answer inside a long "
        "text scores low, so it falls with talkativeness as with knowledge; and wrong answers score for the words "
        "that any answer shares with the right one."
    ),
)
def rouge_l_f1(
    generations: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    compat: Compat = "none",
    resampling: Resampling = SINGLY,
) -> Metric:
    """Between 0 and 1. "none" and "muse" are the same.

    >>> round(rouge_l_f1(["It is in Paris."], [["Paris it is"]]).value, 9)  # "it is" of 3 and of 4 words
    0.571428571
    """
    return f1_metric(generations, answers, compat, resampling)


def f1_metric(said: Sequence[str], answers: Sequence[Sequence[str]], compat: Compat, resampling: Resampling) -> Metric:
    """The same for metrics that differ in what is compared."""
    stemmer = compat == "openunlearning"
    each = rouge_l(said, answers, "fmeasure", stemmer=stemmer)
    return mean_metric(each, "higher", resampling, note="as OpenUnlearning computes it: stemmed" if stemmer else "")
