"""Edit success, generality, locality and portability, of what an edited model generates. Measures of Meng et al. 2022
(ROME), arXiv:2202.05262, and Yao et al. 2023, arXiv:2305.13172; on generated text as Yang et al. 2025,
arXiv:2502.11177, ask for.

    success      1[ the answer to the edit's own prompt says the target ]
    generality   the same on other wordings of the prompt
    portability  the same on questions that follow from the edit
    locality     1[ the answer to an unrelated prompt is what the *unedited* model answers ]

The first three are one metric on three sets, `edit_success`: a set's `answer` is what the edit should make the model
say. Locality compares two models, so it is a function. `says` and `says_exactly` of `matching.py` decide. The usual
scores force the right beginning of the answer on the model: `teacher_forced_success`. Deviations: see above.
"""

from collections.abc import Sequence

from expunge.errors import ConfigError
from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.matching import says, says_exactly
from expunge.evaluate.metric import Metric, mean_metric


@metrics.add(
    "edit_success",
    better="higher",
    title="Edit success",
    reads=(
        "The share of prompts to which the model generates what the edit wants. On other wordings this is generality, "
        "on questions that follow from the edit portability. A text that says the target and then takes it back counts."
    ),
)
def edit_success(
    generations: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    exact: bool = False,
    resampling: Resampling = SINGLY,
) -> Metric:
    """A share between 0 and 1. `exact`: the target and no other words.

    >>> edit_success(["It is Rome now."], [["Rome"]]).value, edit_success(["It is Rome."], [["Rome"]], exact=True).value
    (1.0, 0.0)
    """
    meets = says_exactly if exact else says
    pairs = zip(generations, answers, strict=True)
    met = [float(any(meets(said, target) for target in several)) for said, several in pairs]
    return mean_metric(met, "higher", resampling, unit="examples")


def edit_locality(before: Sequence[str], after: Sequence[str], *, resampling: Resampling = SINGLY) -> Metric:
    """The share of unrelated prompts that the edited model answers as the unedited one did, right or wrong.

    >>> edit_locality(["Oslo.", "Rome"], ["oslo", "Paris"]).per_example
    (1.0, 0.0)

    Answers of equal length in tokens must be compared: a longer one is another answer.
    """
    if len(before) != len(after):
        raise ConfigError(f"locality: {len(before)} answers before the edit and {len(after)} after it")
    same = [float(says_exactly(new, old)) for old, new in zip(before, after)]
    return mean_metric(same, "higher", resampling, unit="examples")
