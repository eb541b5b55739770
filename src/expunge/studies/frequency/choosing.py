"""Which form of a method is tested: the one with the smallest mean residual on the seeds that choose.

It is chosen twice, by the utility of retained rows and by what the neighbours keep. The seeds that test run no other
forms, so the cells that choose have to be done before those that test can begin.
"""

from collections.abc import Sequence
from statistics import fmean

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.scene import NEIGHBOURS

BY = ("utility", NEIGHBOURS)


def floor_of(config: FrequencyStudyConfig, by: str) -> float:
    """The share that must be kept."""
    return config.neighbour_floor if by == NEIGHBOURS else config.utility_floor


def mean_residuals(config: FrequencyStudyConfig, several: Sequence[Cell], by: str = "utility") -> dict[str, float]:
    """Arm → its mean over the cells that choose; {} where one of them knew nothing, or has no neighbours to keep."""
    if not several or not all(cell.arm().judged and (by != NEIGHBOURS or cell.has_neighbours) for cell in several):
        return {}
    floor = floor_of(config, by)
    return {name: fmean(cell.arm(name).residual(floor, by) for cell in several) for name in (UNIFORM, *config.forms)}


def best_of(config: FrequencyStudyConfig, means: dict[str, float]) -> str:
    """The form; the first of two that are as good."""
    return min(config.forms, key=lambda form: means[form])


def forms_to_test(config: FrequencyStudyConfig, several: Sequence[Cell]) -> list[str]:
    """By both rules, in the order of the settings; [] where nothing can be chosen."""
    found = [mean_residuals(config, several, by) for by in BY]
    best = {best_of(config, means) for means in found if means}
    return [form for form in config.forms if form in best]
