"""Min-K% membership score. Shi et al. 2024, arXiv:2310.16789.

    -(1/|E|) Σ_{t in E} log π(y_t | x, y_<t),   E the k share of tokens with the lowest log π

A text that was never seen has some tokens that the model finds very unlikely. k is 0.4, as in MUSE and OpenUnlearning
(the paper: 0.2). The end token is left out. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.lowest import lowest_mean
from expunge.evaluate.metric import Metric, mean_metric
from expunge.objectives.options import Depth


@metrics.add(
    "min_k",
    better="lower",
    span="without_end",
    title="Min-K",
    membership=True,
    reads=(
        "The loss of the answer's least likely tokens, in nats. Read it against that of texts of the same kind that "
        "were never trained on; alone it says how hard the text is."
    ),
    aliases=("mink",),
)
def min_k(
    answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]], *, k: Depth = 0.4, resampling: Resampling = SINGLY
) -> Metric:
    """At least 0.

    >>> import numpy as np
    >>> min_k([np.array([-1.0, -5.0, -3.0, -2.0, -4.0])], k=0.4).value
    4.5
    """
    return mean_metric([-lowest_mean(x, k) for x in answer_logprobs], "lower", resampling, bounds=None, unit="nats")
