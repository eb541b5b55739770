"""Fluency of generated texts: the entropy of their word bigrams and trigrams. Zhang et al. 2018, arXiv:1809.05972; with
the weights of Meng et al. 2022 (ROME), arXiv:2202.05262, and RWKU, arXiv:2406.10890.

    F = (1/2) [ (2/3) H_2 + (4/3) H_3 ],   H_n = -Σ_g f(g) log2 f(g)        in bits, g the runs of n words of one text

It counts variety and knows no grammar. Deviations: words are split by a pattern of our own, not by NLTK's tokenizer,
and case does not count; a text of fewer than n words has H_n = 0.
"""

from collections import Counter
from collections.abc import Sequence
from math import log2

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.words import runs

_WEIGHTS = {2: 2 / 3, 3: 4 / 3}


@metrics.add(
    "fluency",
    better="reference",
    title="Fluency (n-gram entropy)",
    reads=(
        "How varied the words of a generated text are, in bits. It collapses when a model repeats itself; random "
        "words score highest of all, and short answers low however fluent: compare at the same length."
    ),
)
def fluency(generations: Sequence[str], *, resampling: Resampling = SINGLY) -> Metric:
    """In bits; 0 for a text that says one thing over and over.

    >>> round(fluency(["a b c d e"]).value, 6)  # 4 bigrams: 2 bits; 3 trigrams: log2(3)
    1.723308
    """
    each = [sum(weight * _entropy(runs(text, n)) for n, weight in _WEIGHTS.items()) / 2 for text in generations]
    return mean_metric(each, "reference", resampling, bounds=None, unit="bits")


def _entropy(counts: Counter[tuple[str, ...]]) -> float:
    total = counts.total()
    return sum(-count / total * log2(count / total) for count in counts.values())
