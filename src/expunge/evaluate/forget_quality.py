"""Forget quality: can the truth ratios of two models be told apart? Maini et al. 2024 (TOFU), arXiv:2401.06121, §2.2.2.

    p = the p-value of the two-sample Kolmogorov–Smirnov test of TR_unlearned and TR_retrained over the forget set

It compares two models, so it is no registered metric: it is taken on the per-example values of `truth_ratio`, stored
or fresh. The test sees only order, so that any form which rises or falls with TR gives the same p ("knowledge" does,
as does OpenUnlearning's 1/(TR + 1e-10); "forget" and "retain" fold values together and do not).

How it misleads: a high p is no proof of forgetting. With 40 rows (forget01) the test has little power, the rows of one
author are not independent, and p falls with the size of the set at one and the same distance: read the distance too.
No deviations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, log, log10
from typing import Any

from expunge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ForgetQuality:
    """The test's outcome. `p` may be 0 where `log10_p` is still a number."""

    p: float
    log10_p: float  # 0: the same; below log10(0.05) = -1.3 the models differ by the usual level
    distance: float  # the largest gap between the two distribution functions, from 0 to 1
    n: tuple[int, int]  # examples of the unlearned and of the retrained model


def forget_quality(unlearned: Sequence[float], retrained: Sequence[float]) -> ForgetQuality:
    """From per-example truth ratios of the two models on the same forget set, both of one form.

    >>> forget_quality([0.2, 0.4, 0.6], [0.2, 0.4, 0.6]).p
    1.0

    Raises ConfigError for no values or values that are not numbers.
    """
    for name, values in (("unlearned", unlearned), ("retrained", retrained)):
        if not len(values) or any(isnan(value) for value in values):
            what = "no values" if not len(values) else "values that are not numbers"
            raise ConfigError(f"forget quality: {what} for the {name} model; measure `truth_ratio` on the forget set")
    from scipy.stats import ks_2samp  # takes half a second to import

    found: Any = ks_2samp(list(unlearned), list(retrained))
    p, distance = float(found.pvalue), float(found.statistic)
    n = (len(unlearned), len(retrained))
    return ForgetQuality(p, log10(p) if p > 0 else _log10_tail(distance, *n), distance, n)


def _log10_tail(distance: float, m: int, n: int) -> float:
    """log10 of the first term of Kolmogorov's series, 2 exp(-2 D² mn/(m+n)): p below the smallest float."""
    return (log(2) - 2 * distance**2 * m * n / (m + n)) / log(10)
