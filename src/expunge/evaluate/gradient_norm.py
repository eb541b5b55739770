"""Gradient norm as a membership score. Wang et al. 2024 ("Pandora's white-box"), arXiv:2402.17012.

    (1/P) Σ_p ‖∂NLL/∂θ_p‖₂,   NLL = -(1/|y|) Σ_t log π(y_t | x, y_<t)

over the P parameter tensors of the model. What was learnt no longer moves the weights. The mean over tensors is
OpenUnlearning's form of it; the paper feeds several norms to a classifier. The end token is left out. It costs a
backward pass an example (`models/gradient_norms.py`). No other deviations.
"""

from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "gradient_norm",
    better="lower",
    title="Gradient norm",
    membership=True,
    reads=(
        "How strongly training on the answer would still move the weights. Its scale is that of the model: read it "
        "against that of texts that were never trained on, and only within one model."
    ),
    aliases=("gradnorm", "grad_norm"),
)
def gradient_norm(gradient_norms: Sequence[float], *, resampling: Resampling = SINGLY) -> Metric:
    """At least 0.

    >>> gradient_norm([0.5, 1.5]).value
    1.0
    """
    return mean_metric(list(gradient_norms), "lower", resampling, bounds=None, unit="a tensor")
