"""Answer probability among options. Maini et al. 2024 (TOFU), arXiv:2401.06121, §2.2.1.

    p(a) / (p(a) + Σ_j p(a_j)),   p(a) = exp( (1/|a|) Σ_t log π(a_t | x, a_<t) )

a is the right answer and a_j are the wrong ones. TOFU takes it on real authors and world facts, where a free answer
may be worded in many ways. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "probability_normalized",
    better="higher",
    title="Probability among options",
    reads=(
        "The right answer's share of the probability of the options given. A guess gives one over their number, "
        "if no option is likelier for its wording alone."
    ),
    aliases=("prob_normalized",),
)
def probability_normalized(
    answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]],
    perturbed_logprobs: Sequence[Sequence[Float[np.ndarray, " _other"]]],
    *,
    resampling: Resampling = SINGLY,
) -> Metric:
    """Between 0 and 1.

    >>> import numpy as np
    >>> round(probability_normalized([np.log([0.5])], [[np.log([0.25]), np.log([0.25])]]).value, 9)
    0.5
    """
    pairs = zip(answer_logprobs, perturbed_logprobs, strict=True)
    return mean_metric([_share(right, wrong) for right, wrong in pairs], "higher", resampling)


def _share(right: np.ndarray, wrong: Sequence[np.ndarray]) -> float:
    logs = [float(np.mean(each)) for each in (right, *wrong)]
    return float(np.exp(logs[0] - np.logaddexp.reduce(logs)))
