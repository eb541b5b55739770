"""Model utility: what a model can still do, in one number. Maini et al. 2024 (TOFU), arXiv:2401.06121, §2.2.1.

    MU = harmonic mean of { probability, ROUGE-L recall, truth ratio } × { retain, real authors, world facts }

Nine numbers; probability is that among the options for real authors and world facts, truth ratio is the mean of
max(0, 1 - TR). It is 0 where any of them is 0. It takes a whole evaluation, so it is no registered metric.

The wrong answers of a truth ratio have a geometric mean in OpenUnlearning and in the original repository's published
aggregation; its evaluation script takes the paper's arithmetic mean: `compat="tofu"`, which needs truth ratios measured
with `truth_ratio:wrong=arithmetic`. Numbers of the two kinds must not stand in one column.

How it misleads: the harmonic mean follows the smallest number, which for small models is the truth ratio or the
probability among options of facts that they never knew; a change there has little to do with unlearning. No deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from expunge.errors import ConfigError
from expunge.evaluate.harmonic import harmonic_mean
from expunge.evaluate.metric import Metric
from expunge.evaluate.truth_ratio import ARITHMETIC, of_form
from expunge.record import Measured

PARTS = {  # set → metrics of it
    "retain": ("probability", "rouge_l_recall", "truth_ratio"),
    "real authors": ("probability_normalized", "rouge_l_recall", "truth_ratio"),
    "world facts": ("probability_normalized", "rouge_l_recall", "truth_ratio"),
}


@dataclass(frozen=True)
class ModelUtility:
    """The number and the nine that it is made of, "retain: probability" → value."""

    value: float
    parts: dict[str, float]


def model_utility(
    results: Mapping[str, Mapping[str, Metric | Measured]], *, compat: Literal["none", "tofu"] = "none"
) -> ModelUtility:
    """From the metrics of an evaluation or a record: set → metric → numbers, under the names of the suite `tofu`.

    Raises ConfigError for a set or a metric that is missing, or a truth ratio of the other kind.
    """
    parts = {}
    for title, names in PARTS.items():
        for name in names:
            found = results.get(title, {}).get(name)
            if found is None:
                raise ConfigError(
                    f"model utility needs {name!r} of {title!r}; measure the suite `tofu` with "
                    f"{', '.join(sorted({each for several in PARTS.values() for each in several}))}"
                )
            value = found.value if name != "truth_ratio" else _truth(found, title, compat)
            if value is None:
                raise ConfigError(f"model utility: {name!r} of {title!r} is not a number")
            parts[f"{title}: {name}"] = value
    return ModelUtility(harmonic_mean(parts), parts)


def _truth(found: Metric | Measured, title: str, compat: str) -> float:
    """The mean of max(0, 1 - TR)."""
    if (ARITHMETIC in found.note) != (compat == "tofu"):
        way = "truth_ratio:wrong=arithmetic" if compat == "tofu" else "truth_ratio"
        raise ConfigError(f"model utility, compat={compat!r}: the truth ratio of {title!r} must be measured as `{way}`")
    values = [value for value in found.per_example if value is not None]
    if not values or len(values) < len(found.per_example) or "form “forget”" in found.note:
        raise ConfigError(
            f"model utility needs the truth ratio of every example of {title!r}, not in the form “forget”"
        )
    return fmean(values if "form “retain”" in found.note else of_form(values, "retain"))
