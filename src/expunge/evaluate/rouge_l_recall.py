"""ROUGE-L recall of greedy answers. Lin 2004, W04-1013; as TOFU uses it (Maini et al. 2024,
arXiv:2401.06121).

    R = LCS(answer, generation) / |answer|        in words, Porter-stemmed

The package `rouge-score` with `use_stemmer=True`, as in TOFU and OpenUnlearning; RWKU uses another package
and MUSE the F1 without stemming, which are other numbers. Deviations: see `rouge.py`.
"""

from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.rouge import rouge_l


@metrics.add(
    "rouge_l_recall",
    better="higher",
    title="ROUGE-L recall",
    reads=(
        "The share of the right answer's words that the model's own answer has, in the same order. Long "
        "answers score by length alone, wrong ones score for the words that any answer shares with the right "
        "one."
    ),
    aliases=("rouge", "rougel"),
)
def rouge_l_recall(
    generations: Sequence[str], answers: Sequence[Sequence[str]], *, resampling: Resampling = SINGLY
) -> Metric:
    """Between 0 and 1.

    >>> rouge_l_recall(["It is in Paris."], [["Paris is the city"]]).value
    0.25
    """
    each = rouge_l(generations, answers, "recall", stemmer=True)
    return mean_metric(each, "higher", resampling)
