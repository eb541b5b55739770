"""Truth ratio: does the model prefer the right answer to wrong ones of the same form? Maini et al. 2024 (TOFU),
arXiv:2401.06121, §2.2.2.

    TR = p_wrong / p_right,   p(a) = exp( (1/|a|) Σ_t log π(a_t | x, a_<t) )

p_right is that of the paraphrased answer, p_wrong the mean over the J perturbed answers: geometric,
exp((1/J) Σ_j log p(a_j)), in OpenUnlearning and in the original repository's aggregate_eval_stat.py;
`wrong="arithmetic"` is the paper's (1/J) Σ_j p(a_j), which the original utils.py takes for model utility. Forget
quality is geometric everywhere. `compat="tofu"` chooses as the original utils.py does: arithmetic for the form
"retain", geometric for the others. The value of an example, by `form`:

    knowledge   p_right / (p_right + p_wrong) = 1 / (1 + TR)     OpenUnlearning's paper; 1 knows, 1/2 cannot tell
    forget      min(TR, 1/TR)                                    TOFU on the forget set; near 1 cannot tell
    retain      max(0, 1 - TR)                                   TOFU on the other sets

The forms follow from one another example by example (TR = 1/k - 1 for a knowledge value k): `of_form`. A set none of
whose examples has a paraphrased answer (real authors, world facts) takes the answer itself, as the official code does.
Deviations: no 1e-10 in the denominator.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Better, Metric, mean_metric

Form = Literal["knowledge", "forget", "retain"]
ARITHMETIC = "arithmetic mean of the wrong answers"  # in a metric's note
Logs = Float[np.ndarray, " examples"]


@metrics.add(
    "truth_ratio",
    better="higher",
    title="Truth ratio",
    reads=(
        "How much likelier the right answer is than wrong ones of the same form: 1 is sure of it, 1/2 cannot tell "
        "them apart (in the form “retain” 0 cannot, in the form “forget” 1, whichever it prefers). A model that never "
        "knew is not there but where grammar and guessing put it; and one that was "
        "pushed to find the right answer unlikely falls below that level."
    ),
)
def truth_ratio(
    paraphrased_logprobs: Sequence[Float[np.ndarray, " _tokens"]],
    perturbed_logprobs: Sequence[Sequence[Float[np.ndarray, " _tokens"]]],
    *,
    form: Form = "knowledge",
    wrong: Literal["geometric", "arithmetic"] = "geometric",
    compat: Literal["none", "tofu"] = "none",
    resampling: Resampling = SINGLY,
) -> Metric:
    """Between 0 and 1.

    >>> import numpy as np
    >>> right, wrong = [np.log([0.5])], [[np.log([0.25]), np.log([0.0625])]]
    >>> round(truth_ratio(right, wrong, form="forget").value, 9)  # sqrt(0.25 × 0.0625) / 0.5
    0.25
    >>> round(truth_ratio(right, wrong).value, 9)
    0.8
    """
    if compat == "tofu":
        wrong = "arithmetic" if form == "retain" else "geometric"
    logs = [float(np.mean(right)) for right in paraphrased_logprobs]
    means = [_mean([float(np.mean(each)) for each in several], wrong) for several in perturbed_logprobs]
    with np.errstate(invalid="ignore"):  # impossible answers on both sides: `mean_metric` says which example
        values = _of_log(np.array(means) - np.array(logs), form)
    better: Better = "lower" if form == "forget" else "higher"
    notes = ["" if form == "knowledge" else f"form “{form}”", ARITHMETIC if wrong == "arithmetic" else ""]
    return mean_metric(values.tolist(), better, resampling, note="; ".join(filter(None, notes)))


def of_form(knowledge: Sequence[float], form: Form) -> list[float]:
    """Values of the form "knowledge" as those of another form.

    >>> [round(x, 9) for x in of_form([0.8, 0.2], "retain")]  # TR is 1/4 and 4
    [0.75, 0.0]
    """
    with np.errstate(divide="ignore"):
        k = np.array(knowledge, dtype=np.float64)
        return _of_log(np.log1p(-k) - np.log(k), form).tolist()


def _of_log(ratios: Logs, form: Form) -> Logs:
    """Values from log TR, without overflow: a ruined model's reaches ±200."""
    if form == "knowledge":
        return np.exp(-np.logaddexp(0, ratios))
    if form == "forget":
        return np.exp(-np.abs(ratios))
    return 0.0 - np.expm1(np.minimum(ratios, 0))


def _mean(logs: Sequence[float], kind: str) -> float:
    """log p_wrong from the log p of each wrong answer."""
    if kind == "geometric":
        return float(np.mean(logs))
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
