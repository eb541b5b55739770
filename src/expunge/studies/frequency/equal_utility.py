"""Forms by frequency against uniform unlearning, at equal utility, on the seeds that chose nothing.

Each list of comparisons is one family for Holm's correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from expunge.config import FrequencyStudyConfig
from expunge.studies.compared import Compared, compared
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.choosing import best_of, floor_of, mean_residuals
from expunge.studies.frequency.comparing import Cells, Pairs
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.scene import asked

GAPS = {"level": "level", "left": "said"}  # measures of a gap, one of probability and one of generation


@dataclass(frozen=True)
class Chosen:
    """The form that was chosen for a method in one size, and how it did on the seeds that chose nothing."""

    method: str
    size: str
    form: str
    selecting: Mapping[str, float]  # arm → mean residual on the seeds that chose
    tested: Mapping[str, tuple[float, ...]]  # arm → residuals on the others, of arms that all of these have
    cells: Sequence[Cell] = field(repr=False)  # the others


def forms_chosen(config: FrequencyStudyConfig, found: Cells, by: str = "utility") -> list[Chosen]:
    """For each method and size with forms; none while seeds are missing."""
    chosen, floor = [], floor_of(config, by)
    for (size, method), several in found.items():
        first = [cell for cell in several if cell.seed < config.selecting]
        if len(first) < config.selecting or not all(cell.has(form) for cell in first for form in config.forms):
            continue
        means = mean_residuals(config, first, by) if config.forms else {}
        best = best_of(config, means) if means else ""
        others = [c for c in several if c.seed >= config.selecting and c.arm().judged and c.has(best)]
        if len(others) < 2:
            continue
        names = [UNIFORM, *(form for form in config.forms if all(cell.has(form) for cell in others))]
        tested = {name: tuple(cell.arm(name).residual(floor, by) for cell in others) for name in names}
        chosen.append(Chosen(method, size, best, means, tested, others))
    return chosen


def against_uniform(config: FrequencyStudyConfig, chosen: Sequence[Chosen]) -> list[Compared]:
    """Residual of the chosen form minus that of the uniform arm, on the seeds that chose nothing."""
    pairs = {
        f"{each.method}, {each.size}: {each.form}": (each.tested[each.form], each.tested[UNIFORM]) for each in chosen
    }
    return compared(pairs, config.margin)


def gaps(config: FrequencyStudyConfig, chosen: Sequence[Chosen], *, width: bool = False) -> list[Compared]:
    """The chosen form's gap between buckets minus the uniform arm's, at equal utility, on the seeds that chose nothing:
    in each form of asking, by level and by what is said. `width`: of their sizes without the sign, for a gap that is
    turned around is smaller, and no narrower."""
    size = abs if width else float
    pairs: Pairs = {}
    for each in chosen:
        for form in each.cells[0].arm().forms:
            for measure, title in GAPS.items():
                own, usual = (gaps_of(config, each, name, form, measure) for name in (each.form, UNIFORM))
                if seeds := sorted(own.keys() & usual.keys()):
                    name = f"{each.method}, {each.size}: {each.form}; {asked(form, config.suite)}, {title}"
                    pairs[name] = ([size(own[seed]) for seed in seeds], [size(usual[seed]) for seed in seeds])
    return compared(pairs, config.margin)


def gaps_of(config: FrequencyStudyConfig, chosen: Chosen, name: str, form: str, measure: str) -> dict[int, float]:
    """Of an arm: seed → gap, where both buckets were known before."""
    arms = {cell.seed: cell.arm(name) for cell in chosen.cells}
    found = {seed: arm.gap(arm.chosen(config.utility_floor), form, measure) for seed, arm in arms.items()}
    return {seed: gap for seed, gap in found.items() if gap is not None}
