"""zlib membership score: the loss relative to how compressible the text is. Carlini et al. 2021, arXiv:2012.07805.

    -(1/|y|) Σ_t log π(y_t | x, y_<t) / bytes(zlib(y))

Texts that repeat themselves have a low loss without having been seen; the division takes that away. As in
OpenUnlearning the loss is the mean over tokens, where the paper divides the summed one (the two differ by the answer's
length), and the text is the answer alone. No other deviations.
"""

import zlib as library
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "zlib",
    better="lower",
    title="Loss over compressed length",
    membership=True,
    reads=(
        "The loss divided by the number of bytes that the answer compresses to. Long answers score lower, whatever is "
        "known: two sets can only be compared when their answers are of like lengths."
    ),
)
def zlib(
    answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]],
    answer_texts: Sequence[str],
    *,
    resampling: Resampling = SINGLY,
) -> Metric:
    """At least 0.

    >>> import numpy as np
    >>> round(zlib([np.log([0.5])], ["a"]).value * 9 / float(np.log(2)), 9)  # one letter compresses to 9 bytes
    1.0
    """
    each = [
        -float(np.mean(x)) / len(library.compress(text.encode("utf-8", "surrogatepass")))
        for x, text in zip(answer_logprobs, answer_texts, strict=True)
    ]
    return mean_metric(each, "lower", resampling, bounds=None, unit="nats a byte")
