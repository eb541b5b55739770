"""Min-K%++ membership score. Zhang et al. 2024, arXiv:2404.02936.

    -(1/|E|) Σ_{t in E} z_t,   z_t = (log π(y_t | x, y_<t) - μ_t) / σ_t,   E the k share of tokens with the lowest z
    μ_t = Σ_v π(v) log π(v),   σ_t² = Σ_v π(v) (log π(v) - μ_t)²

z compares a token with the others that the model could have chosen there, so that hard places do not count as
unseen. σ² is at least 1e-6, as in OpenUnlearning. A uniform predictor has σ = 0 and log π = μ, and z is defined as 0
there. k is 0.4, as for Min-K; the end token is left out. No other deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.lowest import lowest_mean
from expunge.evaluate.metric import Metric, mean_metric
from expunge.objectives.options import Depth

_LEAST = 1e-3  # σ
_ROUNDING = 1e-5  # what σ and log π - μ of a uniform predictor are in float32


@metrics.add(
    "min_k_plus_plus",
    better="lower",
    span="without_end",
    title="Min-K++",
    membership=True,
    reads=(
        "How far the answer's least expected tokens lie below what the model expects at their places, in standard "
        "deviations; it may be negative. Read it against that of texts that were never trained on."
    ),
    aliases=("min_k++", "mink++"),
)
def min_k_plus_plus(
    answer_logprobs: Sequence[Float[np.ndarray, " _tokens"]],
    vocab_means: Sequence[Float[np.ndarray, " _tokens"]],
    vocab_stds: Sequence[Float[np.ndarray, " _tokens"]],
    *,
    k: Depth = 0.4,
    resampling: Resampling = SINGLY,
) -> Metric:
    """Any number.

    >>> import numpy as np
    >>> logs, means, stds = np.array([-1.0, -4.0]), np.array([-2.0, -2.0]), np.array([2.0, 0.5])
    >>> min_k_plus_plus([logs], [means], [stds], k=0.5).value  # z is 0.5 and -4
    4.0
    """
    each = [
        -lowest_mean(_standardized(*parts), k) for parts in zip(answer_logprobs, vocab_means, vocab_stds, strict=True)
    ]
    return mean_metric(each, "lower", resampling, bounds=None, unit="σ")


def _standardized(logs: np.ndarray, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
    above = logs - means
    uniform = (stds < _ROUNDING) & (np.abs(above) < 10 * _ROUNDING)
    return np.where(uniform, 0.0, above / np.maximum(stds, _LEAST))
