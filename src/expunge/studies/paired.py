"""Two conditions compared seed by seed: do they differ, are they equivalent, or could neither have been seen?

With d_i = a_i - b_i over n seeds, their mean d̄ and standard deviation s:

    interval      d̄ ± t_{.975, n-1} s/√n
    permutation   the share of the 2ⁿ ways to set the signs of the d_i that give |Σ ±d_i| ≥ |Σ d_i|
                  (Fisher 1935); drawn, with 1 added above and below, where n is above 14
    t             P(|t_{n-1}| ≥ |d̄| √n/s)
    TOST          the larger p of H₀: δ ≤ -m and H₀: δ ≥ m (Schuirmann 1987, 10.1007/BF01068419), m the margin
    detectable    the δ with P(reject | δ) = .8 for the t test at .05: t²_{n-1} is noncentral F(1, n-1, n δ²/s²)

A high p alone says nothing: it comes out for equal conditions and for few seeds alike. "Equivalent" is a finding only
where TOST rejects, and what stays "unresolved" is told with the effect that could have been seen. `absolute`, the mean
of |d_i|, is the |Δ| of Lee et al. 2025, arXiv:2505.16252, Table 2: it is above 0 for equal conditions, too.

How it misleads: the detectable effect rests on the observed s, which is itself uncertain for few seeds, and is that of
the t test: with six seeds the permutation test finds it only about 6 times in 10. Several draws of a condition within a
seed must be averaged before they come here: they are not independent.

Deviations: the test behind the p-values of arXiv:2505.16252 is not published; none of these reproduces them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from expunge.errors import ConfigError
from expunge.report.numbers import number, signed

LEVEL, POWER = 0.05, 0.8
MOST_EXACT = 14  # seeds, up to which all signs are tried
DRAWS = 9_999  # of signs, above that
Finding = Literal["differ", "equivalent", "unresolved"]
Differences = Float[np.ndarray, " seeds"]


@dataclass(frozen=True)
class Paired:
    """What a comparison over n seeds found; differences are the first minus the second.

    None where all differences are equal: without spread there is neither a t test nor a power.
    """

    n: int
    means: tuple[float, float]
    sds: tuple[float, float]
    difference: float
    sd: float  # of the differences
    absolute: float  # the mean of the differences' sizes
    permutation_p: float
    smallest_p: float  # that the permutation test can give for n seeds
    margin: float
    interval: tuple[float, float] | None  # of the difference, 95 %
    t_p: float | None
    tost_p: float | None
    equivalent: bool | None  # within ± margin, at 5 %
    detectable: float | None  # the size of an effect that is found 4 times in 5

    @property
    def p(self) -> float:
        """Of the paired t test, or, where all differences are equal, of the sign flips."""
        return self.permutation_p if self.t_p is None else self.t_p

    @property
    def finding(self) -> Finding:
        """By the paired t test, to which interval and power belong; what differs may do so within the margin.

        The permutation test has less power with few seeds: with six, all must agree in sign for p ≤ .05.
        """
        if self.p <= LEVEL:
            return "differ"
        return "equivalent" if self.equivalent else "unresolved"


def paired(first: Sequence[float], second: Sequence[float], *, margin: float, seed: int = 0) -> Paired:
    """From one value a seed of each condition, in the order of the seeds. `margin` is in the metric's units.

    >>> found = paired([0.6, 0.5, 0.7, 0.6, 0.5, 0.7], [0.5, 0.4, 0.5, 0.5, 0.3, 0.6], margin=0.05)
    >>> found.finding, found.permutation_p  # all six differences have one sign: 2 of 64
    ('differ', 0.03125)

    Raises ConfigError for fewer than two seeds, values without partner or that are not finite, or no margin.
    """
    a, b = _checked(first, second, margin)
    d = a - b
    equal = float(np.ptp(d)) <= 1e-12 * float(np.abs([a, b]).max())
    mean, sd, n = float(d.mean()), 0.0 if equal else float(d.std(ddof=1)), len(d)
    t_p, tost_p = (None, None) if equal else _t_tests(mean, sd, n, margin)
    return Paired(
        n=n, means=(float(a.mean()), float(b.mean())), sds=(float(a.std(ddof=1)), float(b.std(ddof=1))),
        difference=mean, sd=sd, absolute=float(np.abs(d).mean()),
        permutation_p=permutation_p(d, seed=seed), smallest_p=2 / 2**n if n <= MOST_EXACT else 1 / (DRAWS + 1),
        margin=margin, interval=None if equal else _interval(mean, sd, n),
        t_p=t_p, tost_p=tost_p, equivalent=None if tost_p is None else tost_p <= LEVEL,
        detectable=None if equal else sd * detectable_size(n),
    )  # fmt: skip


def permutation_p(differences: Differences, *, seed: int = 0) -> float:
    """Two-sided, of the hypothesis that every difference could as well have had the other sign."""
    n = len(differences)
    if n <= MOST_EXACT:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        flips = np.random.default_rng(seed).integers(0, 2, (DRAWS, n))
    sums = np.abs((1.0 - 2.0 * flips) @ differences)
    # equal sums may come out unequal by rounding
    reached = int((sums >= abs(differences.sum()) - 1e-12 * np.abs(differences).sum()).sum())
    return reached / 2**n if n <= MOST_EXACT else (reached + 1) / (DRAWS + 1)


def detectable_size(n: int, power: float = POWER) -> float:
    """The smallest effect, in standard deviations of the differences, that n pairs show with this power.

    >>> [round(detectable_size(n), 2) for n in (3, 5, 6, 10)]
    [3.26, 1.68, 1.43, 1.0]
    """
    from scipy.optimize import brentq
    from scipy.stats import f, ncf  # takes half a second to import

    bar = f.isf(LEVEL, 1, n - 1)
    root: Any = brentq(lambda root: ncf.sf(bar, 1, n - 1, root**2) - power, 1e-3, 100)
    return float(root) / n**0.5


def sentence(
    found: Paired, names: tuple[str, str], unit: str, *, corrected: tuple[float, float | None] | None = None
) -> str:
    """The finding in plain words; of several comparisons by their `corrected` p of a difference and of equivalence.

    >>> few = paired([0.62, 0.55], [0.58, 0.57], margin=0.05)
    >>> print(sentence(few, ("Oracle", "Random"), "AUES"))  # doctest: +NORMALIZE_WHITESPACE
    Unresolved: Oracle and Random are neither shown to differ nor to be equivalent within ±0.050 AUES: Oracle minus
    Random is +0.010 AUES (95 % interval -0.371 to 0.391; paired t p = 0.795, sign-flip p = 1; 2 seeds). An effect
    below 0.490 AUES could not have been seen reliably (80 % power).
    """
    one, other = names
    p, tost_p = corrected or (found.p, found.tost_p)
    if found.interval is None:
        return _without_spread(found, names, unit, p)
    low, high = (number(x) for x in found.interval)
    holm = f", Holm p = {number(p)}" if corrected else ""
    evidence = (
        f"{one} minus {other} is {signed(found.difference)} {unit} (95 % interval {low} to {high}; paired t "
        f"p = {number(found.t_p)}{holm}, sign-flip p = {number(found.permutation_p)}; {found.n} seeds)."
        f"{_disagreement(found)}"
    )
    within = f"within ±{number(found.margin)} {unit}"
    equivalent = tost_p is not None and tost_p <= LEVEL
    tost = f"TOST{' Holm' if corrected else ''} p = {number(tost_p)}"
    if p <= LEVEL:
        return f"{one} and {other} differ: {evidence}{f' Yet they are equivalent {within} ({tost}).' * equivalent}"
    lost = " Before the correction they differ." if found.p <= LEVEL else ""
    if equivalent:
        return f"{one} and {other} are equivalent {within} ({tost}): {evidence}{lost}"
    lost += f" Before the correction they are equivalent {within}." if found.equivalent else ""
    alone = ", by one test alone" if corrected else ""
    return (
        f"Unresolved: {one} and {other} are neither shown to differ nor to be equivalent {within}: {evidence}{lost} "
        f"An effect below {number(found.detectable)} {unit} could not have been seen reliably "
        f"({100 * POWER:.0f} % power{alone})."
    )


def _disagreement(found: Paired) -> str:
    """Of the two tests, in words; "" where they agree."""
    if (found.permutation_p <= LEVEL) == (found.p <= LEVEL):
        return ""
    if found.p > LEVEL:
        return " The sign-flip test alone says that they differ."
    why = f": with {found.n} seeds its p cannot fall below {number(found.smallest_p)}"
    return f" The sign-flip test does not confirm it{why if found.smallest_p > LEVEL else ''}."


def _without_spread(found: Paired, names: tuple[str, str], unit: str, p: float) -> str:
    each = f"{signed(found.difference)} {unit} in each of {found.n} seeds"
    told = f"{names[0]} minus {names[1]} is {each}; without spread there is no interval and no power"
    if p <= LEVEL:
        return f"{names[0]} and {names[1]} differ: {told} (sign-flip p = {number(found.permutation_p)})."
    return f"{names[0]} and {names[1]} are identical: {told}." if not found.difference else f"Unresolved: {told}."


def _checked(first: Sequence[float], second: Sequence[float], margin: float) -> tuple[Differences, Differences]:
    a, b = (np.asarray(list(each), dtype=np.float64) for each in (first, second))
    if len(a) != len(b):
        raise ConfigError(f"a paired comparison needs both values of every seed; got {len(a)} and {len(b)} values")
    if len(a) < 2:
        raise ConfigError(f"a paired comparison needs at least two seeds, better six; got {len(a)}")
    if wrong := [i for i in range(len(a)) if not np.isfinite([a[i], b[i]]).all()]:
        raise ConfigError(
            f"pair {wrong[0]} of a paired comparison has no finite value: leave out seeds without a result"
        )
    if not (np.isfinite(margin) and margin > 0):
        raise ConfigError(f"the margin of equivalence must be above 0, in the metric's units; got {margin}")
    return a, b


def _interval(mean: float, sd: float, n: int) -> tuple[float, float]:
    from scipy.stats import t

    reach = float(t.isf(LEVEL / 2, n - 1)) * sd / n**0.5
    return mean - reach, mean + reach


def _t_tests(mean: float, sd: float, n: int, margin: float) -> tuple[float, float]:
    """p of the two-sided test against 0, and the larger of the two one-sided ones against the margins."""
    from scipy.stats import t

    error = sd / n**0.5
    return 2 * float(t.sf(abs(mean) / error, n - 1)), float(t.sf((margin - abs(mean)) / error, n - 1))
