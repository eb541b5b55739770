"""The tables of forms by frequency."""

from collections.abc import Sequence
from statistics import fmean

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import number, percent
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.equal_utility import GAPS, Chosen, gaps_of
from expunge.studies.frequency.scene import NEIGHBOURS, QUESTION, asked
from expunge.studies.page import Table
from expunge.studies.spread import spread


def forms_table(chosen: Sequence[Chosen]) -> Table:
    """Residuals of every form on the seeds that chose, and of those that were run on the others."""
    rows = [
        [f"{each.method}, {each.size}: {name}", number(residual), spread(each.tested.get(name, ())),
         "chosen" if name == each.form else ""]
        for each in chosen for name, residual in each.selecting.items()
    ]  # fmt: skip
    head = ["Method, size: form", "Residual, choosing", "Residual, testing", ""]
    return Table(head, rows)


def gaps_table(chosen: Sequence[Chosen], config: FrequencyStudyConfig) -> Table:
    """At those points: the most frequent bucket minus the rarest, and what is kept of other facts."""
    forms, rows = chosen[0].cells[0].arm().forms, []
    kinds = [(form, measure) for form in forms for measure in GAPS]
    for each in chosen:
        for name in (UNIFORM, each.form):
            at = [(arm, arm.chosen(config.utility_floor)) for arm in (cell.arm(name) for cell in each.cells)]
            gaps = [[*gaps_of(config, each, name, *kind).values()] for kind in kinds]
            beyond = [arm.overshoot(point, QUESTION, arm.buckets[0]) for arm, point in at]
            beside = [arm.kept(p, NEIGHBOURS) for arm, p in at if NEIGHBOURS in p["measures"]]
            rows.append([
                f"{each.method}, {each.size}: {name}", spread([p["step"] for _, p in at], "{:.0f}"),
                *map(_gap, gaps), spread(beyond),
                percent(fmean(arm.kept(p) for arm, p in at)), percent(fmean(beside)) if beside else "–",
            ])  # fmt: skip
    told = [f"Frequent minus rare, {asked(form, config.suite)}, {GAPS[measure]}" for form, measure in kinds]
    head = ["Method, size: arm", "Step", *told,
            "Rarest beyond never-known, nats", "Retained kept", "Neighbours kept"]  # fmt: skip
    return Table(head, rows, "At those points, on the seeds that test; with each gap, in brackets, its size without "
                 "the sign.")  # fmt: skip


def _gap(values: Sequence[float]) -> str:
    return f"{spread(values)} ({spread(list(map(abs, values)))})" if values else "–"
