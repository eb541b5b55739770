"""Verbatim memorization (VerbMem): is a text continued word by word? Shi et al. 2024 (MUSE), arXiv:2407.06460, §3.1.

    VerbMem = (1/|D|) Σ_x ROUGE-L F1( f(x[:l]), x[l : l+128] )

f(x[:l]) are at most 128 greedily chosen tokens after the beginning of a text, no more than the text goes on for; words
are not stemmed. A passage is cut where its rows cut it (MUSE's `verbmem` files), a document after
`evaluate.prefix_tokens` tokens, or in its middle if that is sooner. OpenUnlearning stems: `compat="openunlearning"`.
Deviations: the true continuation is tokenized with its beginning and has 128 tokens of text, where MUSE's code
tokenizes it alone, counts the BOS token among the 128, and always generates 128.
"""

from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric
from expunge.evaluate.rouge_l_f1 import Compat, f1_metric


@metrics.add(
    "verbatim_memory",
    better="higher",
    title="Verbatim memory",
    reads=(
        "How far the model goes on with a text as the text does. A model that never saw it is not at 0: names, common "
        "words and style are shared by chance, more in longer texts. And 0 is under that level: a model that writes "
        "nothing, or noise, was pushed too far."
    ),
    aliases=("verbmem",),
)
def verbatim_memory(
    continuations: Sequence[str],
    continued: Sequence[str],
    *,
    compat: Compat = "none",
    resampling: Resampling = SINGLY,
) -> Metric:
    """Between 0 and 1.

    >>> round(verbatim_memory(["and the sea was calm"], ["and the sea was wild"]).value, 9)
    0.8
    """
    return f1_metric(continuations, [[text] for text in continued], compat, resampling)
