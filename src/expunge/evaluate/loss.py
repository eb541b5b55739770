"""Loss as a membership score. Yeom et al. 2018, arXiv:1709.01604.

    -(1/|y|) Σ_t log π(y_t | x, y_<t)

A text that was trained on has a lower loss than one of the same kind that was not. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "loss",
    better="lower",
    title="Loss",
    membership=True,
    reads=(
        "How unlikely the model finds a token of the answer on average, in nats. Alone it says how hard the text is; "
        "only the comparison with texts of the same kind that were never trained on says what is known."
    ),
    aliases=("nll",),
)
def loss(answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]], *, resampling: Resampling = SINGLY) -> Metric:
    """At least 0; the mean over examples of the mean over their tokens.

    >>> import numpy as np
    >>> round(loss([np.log([0.5, 0.125])]).value / float(np.log(2)), 9)
    2.0
    """
    return mean_metric([-float(np.mean(x)) for x in answer_logprobs], "lower", resampling, bounds=None, unit="nats")
