"""Multiple-choice accuracy: is the right option the likeliest? Hendrycks et al. 2021 (MMLU), arXiv:2009.03300.

    1[ Σ_t log π(a_t | x, a_<t) > max_j Σ_t log π(a_j,t | x, a_j,<t) ]

a is the right answer and a_j are the wrong ones; the probability of a whole answer, not per token, as the usual harness
scores letters. The tokens that close an answer are left out. An equal option counts as a miss. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "choice_accuracy",
    better="higher",
    span="without_end",
    title="Multiple-choice accuracy",
    reads=(
        "The share of questions whose right option is the likeliest. A guess gives one over the number of options; "
        "a model may fail here and still answer the open question, and the reverse."
    ),
    aliases=("accuracy",),
)
def choice_accuracy(
    answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]],
    perturbed_logprobs: Sequence[Sequence[Float[np.ndarray, " _other"]]],
    *,
    resampling: Resampling = SINGLY,
) -> Metric:
    """A share between 0 and 1.

    >>> import numpy as np
    >>> choice_accuracy([np.log([0.5]), np.log([0.2])], [[np.log([0.3])], [np.log([0.3])]]).per_example
    (1.0, 0.0)
    """
    pairs = zip(answer_logprobs, perturbed_logprobs, strict=True)
    hits = [float(float(np.sum(right)) > max(float(np.sum(each)) for each in wrong)) for right, wrong in pairs]
    return mean_metric(hits, "higher", resampling, unit="examples")
