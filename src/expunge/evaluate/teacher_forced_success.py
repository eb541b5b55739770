"""Teacher-forced edit scores, the ones usually printed. Meng et al. 2022, arXiv:2202.05262; EasyEdit, arXiv:2308.07269.

    success   (1/L) Σ_t 1[ argmax π(· | x, y_<t) = y_t ]                     y the edit's target
    locality  (1/L) Σ_t 1[ argmax π_after(· | x, y_<t) = argmax π_before(· | x, y_<t) ]

The model is given the right beginning of the answer at every token, so it need not find it; the same number as
`exact_memorization`, under the name that says what it is in an edit. `edit_success.py` has what the model says itself.
No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from expunge.errors import ConfigError
from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "teacher_forced_success",
    better="higher",
    span="without_end",
    title="Edit success, teacher-forced",
    reads=(
        "Flattering: the share of the target's tokens that the model chooses when given the right ones before each. An "
        "editor near 1 here may make the model generate the target in a quarter of the cases. For comparison with "
        "printed tables only; judge by “Edit success”."
    ),
)
def teacher_forced_success(hits: Sequence[Bool[np.ndarray, " _tokens"]], *, resampling: Resampling = SINGLY) -> Metric:
    """Between 0 and 1.

    >>> import numpy as np
    >>> teacher_forced_success([np.array([True, True, False, True])]).value
    0.75
    """
    return mean_metric([float(np.mean(x)) for x in hits], "higher", resampling, note="teacher-forced: flattering")


def teacher_forced_locality(
    before: Sequence[Int[np.ndarray, " _tokens"]],
    after: Sequence[Int[np.ndarray, " _tokens"]],
    *,
    resampling: Resampling = SINGLY,
) -> Metric:
    """From the likeliest token at each place of the same answers, before and after the edit. Between 0 and 1.

    >>> import numpy as np
    >>> teacher_forced_locality([np.array([3, 5])], [np.array([3, 4])]).value
    0.5
    """
    if [len(x) for x in before] != [len(x) for x in after]:
        raise ConfigError("locality: before and after must hold the same tokens of the same answers")
    same = [float(np.mean(old == new)) for old, new in zip(before, after)]
    return mean_metric(same, "higher", resampling, note="teacher-forced: flattering")
