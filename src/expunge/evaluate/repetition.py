"""Repetition in generated texts: the share of runs of n words that stood in the text before. Welleck et al. 2020,
arXiv:1908.04319 (seq-rep-n).

    1 - |distinct runs of n words| / |runs of n words|        of each text

Deviations: over words, not tokens, and n = 3 by default (the paper: tokens, 4); a text of fewer than n words repeats
nothing.
"""

from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.words import runs
from expunge.objectives.options import AtLeastOne


@metrics.add(
    "repetition",
    better="reference",
    title="Repetition",
    reads=(
        "The share of word triples that the text has had before: a broken model comes near 1. Base models that are not "
        "told to stop repeat themselves too, so compare with the model before."
    ),
)
def repetition(generations: Sequence[str], *, n: AtLeastOne = 3, resampling: Resampling = SINGLY) -> Metric:
    """Between 0 and 1.

    >>> repetition(["no no no no no"], n=2).value  # four bigrams, one distinct
    0.75
    """
    counts = [runs(text, n) for text in generations]
    each = [1 - len(found) / found.total() if found else 0.0 for found in counts]
    return mean_metric(each, "reference", resampling)
