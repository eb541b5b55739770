"""Knowledge memorization (KnowMem): questions about a text, answered after solved ones. Shi et al. 2024 (MUSE),
arXiv:2407.06460, §3.1.

    KnowMem = (1/|Q|) Σ_(q,a) ROUGE-L F1( f(q), a )

f(q) are at most 32 greedily chosen tokens, cut at the first of "\\n\\n", "\\nQuestion" and "Question:", since a model
that has seen solved questions goes on to ask one. Words are not stemmed; OpenUnlearning stems:
`compat="openunlearning"`. The solved questions belong to the prompt (the suite `muse` writes them there), the 32 tokens
are `evaluate.max_new_tokens`. Deviations: see `rouge.py`.
"""

from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric
from expunge.evaluate.rouge_l_f1 import Compat, f1_metric

STOPS = ("\n\n", "\nQuestion", "Question:")


@metrics.add(
    "knowledge_memory",
    better="higher",
    title="Knowledge memory",
    reads=(
        "How far the answer to a question about the texts is the right one, words in order. Short answers make it "
        "coarse, a right one in other words scores 0, and guesses score: compare with a model that never knew."
    ),
    aliases=("knowmem",),
)
def knowledge_memory(
    generations: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    compat: Compat = "none",
    resampling: Resampling = SINGLY,
) -> Metric:
    """Between 0 and 1.

    >>> knowledge_memory([" Two seas\\n\\nQuestion: And now?"], [["two seas"]]).value
    1.0
    """
    return f1_metric([cut(text) for text in generations], answers, compat, resampling)


def cut(text: str) -> str:
    """The text before the first stop.

    >>> cut("Blue.\\nQuestion: Why?")
    'Blue.'
    """
    for stop in STOPS:
        text = text.partition(stop)[0]
    return text
