"""Probability of the paraphrased answer, per token. Maini et al. 2024 (TOFU), arXiv:2401.06121; as a metric of its own
Dorna et al. 2025 (OpenUnlearning), arXiv:2506.12618.

    P(ỹ|x)^(1/|ỹ|) = exp( (1/|ỹ|) Σ_t log π(ỹ_t | x, ỹ_<t) )      ỹ the right answer in other words

In a set without paraphrased answers the answer itself stands for them, and a note says so. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "paraphrase_probability",
    better="higher",
    title="Probability of the answer in other words",
    reads=(
        "How likely the model finds each token of the right answer, worded otherwise. Low also in models that know, "
        "since they would say it in the words that they learnt; a fall shows more than the level."
    ),
)
def paraphrase_probability(
    paraphrased_logprobs: Sequence[Float[np.ndarray, " _tokens"]], *, resampling: Resampling = SINGLY
) -> Metric:
    """The geometric mean of the token probabilities, between 0 and 1.

    >>> import numpy as np
    >>> paraphrase_probability([np.log([0.5, 0.125])]).value
    0.25
    """
    return mean_metric([float(np.exp(np.mean(x))) for x in paraphrased_logprobs], "higher", resampling)
