"""MU95: forget quality at 95 % of the model utility. Lee et al. 2025, arXiv:2505.16252.

    best      max{ FQ_t : MU_t ≥ 0.95 MU_0 }        FQ = log10 p, see `forget_quality.py`
    crossing  FQ where the line between the checkpoints around MU = 0.95 MU_0 meets it, at the first such place

The paper does not say which of the two it prints. Deviations: both are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MU95:
    """log10 p; 0 is the model that cannot be told from a retrained one."""

    best: float
    crossing: float
    floor: float  # the utility at which it was taken


def mu95(utility: Sequence[float], forget_quality: Sequence[float], *, share: float = 0.95) -> MU95:
    """From model utility and log10 p of each checkpoint of a run, the start first.

    >>> mu95([1.0, 0.96, 0.94], [-20.0, -10.0, -8.0])
    MU95(best=-10.0, crossing=-9.0, floor=0.95)

    Raises ConfigError with the reason where it is not defined: utility never falls below the floor, so that the run was
    not long enough to say, or only the start is above it.
    """
    if len(utility) != len(forget_quality) or not utility:
        raise ConfigError(f"MU95: {len(utility)} utilities for {len(forget_quality)} forget qualities")
    floor = share * utility[0]
    above = [i for i, value in enumerate(utility) if value >= floor]
    if len(above) == len(utility):
        raise ConfigError(f"MU95 is not defined: no checkpoint falls below {share:.0%} of the utility; train longer")
    if above == [0]:
        raise ConfigError(f"MU95 is not defined: only the start has {share:.0%} of the utility; measure more often")
    below = next(i for i, value in enumerate(utility) if i and value < floor <= utility[i - 1])
    step = (utility[below - 1] - floor) / (utility[below - 1] - utility[below])
    crossing = forget_quality[below - 1] + step * (forget_quality[below] - forget_quality[below - 1])
    return MU95(max(forget_quality[i] for i in above), crossing, floor)
