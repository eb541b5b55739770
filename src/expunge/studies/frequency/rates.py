"""Learning rates: every method with every rate on the pilot seed, which no result has.

Among the rates whose residual lies within 0.05 of the method's best the smallest is taken: the pilot is one seed, so a
smaller difference says nothing, and of two rates that do as well the smaller one moves the model less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.outcomes import Arm
from expunge.studies.pilot import pilots
from expunge.studies.results import read_result

NEAR = 0.05  # of residuals that a single seed does not tell apart


@dataclass(frozen=True)
class Trial:
    """What one rate did on the pilot seed."""

    method: str
    rate: float
    residual: float
    held: bool  # whether any point but the start keeps the floor
    note: str = ""


def trials(config: FrequencyStudyConfig, out: Path) -> list[Trial]:
    """Those that are done; of a single rate there is none."""
    found = ((method, rate, read_result(out / place)) for method, rate, place in pilots(config))
    return [_trial(config, method, rate, result) for method, rate, result in found if result is not None]


def _trial(config: FrequencyStudyConfig, method: str, rate: float, result: Mapping[str, Any]) -> Trial:
    arm = Arm(UNIFORM, result["arm"], result["never"], result["arm"]["points"][0]["measures"])
    held = any(arm.holds(point, config.utility_floor) for point in arm.points[1:])
    return Trial(method, rate, arm.residual(config.utility_floor), held, arm.result.get("note", ""))


def chosen_rates(config: FrequencyStudyConfig, out: Path) -> dict[str, float] | None:
    """Method → its rate; None while trials are missing."""
    if len(config.rates) == 1:
        return dict.fromkeys(config.methods, config.rates[0])
    found = trials(config, out)
    if len(found) < len(config.methods) * len(config.rates):
        return None
    return {method: smallest(each for each in found if each.method == method) for method in config.methods}


def smallest(several: Iterable[Trial]) -> float:
    """Of one method's rates, among those that are near to its best.

    >>> smallest([Trial("npo", 1e-3, 0.25, True), Trial("npo", 3e-4, 0.28, True), Trial("npo", 1e-4, 0.5, True)])
    0.0003
    """
    known = list(several)
    best = min(each.residual for each in known)
    return min(each.rate for each in known if each.residual <= best + NEAR)


def at_the_end(config: FrequencyStudyConfig, rates: Mapping[str, float]) -> dict[str, float]:
    """Methods whose rate is the smallest or the largest that was tried: a better one may lie beyond."""
    ends = (min(config.rates), max(config.rates)) if len(config.rates) > 1 else ()
    return {method: rate for method, rate in rates.items() if rate in ends}


def never_held(several: Sequence[Trial]) -> list[str]:
    """Methods of which no rate keeps the floor at any point but the start."""
    return [name for name in dict.fromkeys(each.method for each in several)
            if not any(each.held for each in several if each.method == name)]  # fmt: skip
