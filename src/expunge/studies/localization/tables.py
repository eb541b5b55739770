"""The tables of the report."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from expunge.config import LocalizationStudyConfig
from expunge.report.numbers import number, percent, signed
from expunge.studies.compared import reach
from expunge.studies.localization.arms import Target, targets
from expunge.studies.localization.comparing import PROBED, UNITS, Comparison, Found
from expunge.studies.localization.plan import pilots, recall_place
from expunge.studies.page import Table
from expunge.studies.results import read_result

KINDS = {
    "mu95": " (MU95, best)", "crossing": " (MU95, at the crossing)",
    "relearnt": " after relearning the other half minus FS before it", "rounded": " at 4 bit minus FS at the end",
}  # fmt: skip
ERASED = (
    "Does it erase or hide? The last point of each run, means ± sd over seeds. Runs end at different FS, so regions "
    "are compared by how much FS falls from there, in the tables below: below 0 is knowledge that comes back."
)


def targets_table(config: LocalizationStudyConfig, out: Path) -> Table:
    rows = []
    for target in targets(config):
        results = [read_result(target.place(out, seed)) for seed in range(config.seeds)]
        there = [result for result in results if result is not None]
        if there:
            rows.append([target.label, str(len(there)), *_strengths(there)])
    head = ["Target", "Seeds", "FS of θ_o", "RS of θ_o", "MU of θ_o", "FS of θ_r", "RS of θ_r", "MU of θ_r"]
    return Table(head, rows, "What the targets know before unlearning, and what the retrained models know.")


def _strengths(results: Sequence[dict[str, Any]]) -> list[str]:
    return [
        _spread([result[model][name] for result in results if name in result[model]])
        for model in ("target", "never") for name in ("FS", "RS", "MU")
    ]  # fmt: skip


def pilots_table(config: LocalizationStudyConfig, out: Path) -> Table:
    rows = []
    for pilot in pilots(config):
        if (result := read_result(pilot.place(out))) is not None:
            note = result.get("note") or "–"
            rows.append([pilot.objective, pilot.kind, f"{pilot.rate:g}", number(result["aues"]), note])
    return Table(["Objective", "Trained", "Learning rate", "AUES", "Diverged"], rows, "The pilot.")


def recalls_table(config: LocalizationStudyConfig, out: Path, target: Target) -> Table:
    results = [read_result(recall_place(out, target, seed)) for seed in range(config.seeds)]
    there = [result for result in results if result is not None]
    found = [result["localizers"] for result in there]
    values = {name: [each[name]["recall"] for each in found] for name in (found[0] if found else ())}
    best = sorted(values, key=lambda name: -fmean(values[name]))
    chance = percent(fmean(result["chance"] for result in there)) if there else ""
    return Table(
        ["Localizer", "Seeds", "Recall of V_tgt"], [[n, str(len(there)), _spread(values[n])] for n in best],
        f"Planted in {target.granularity.replace('_', ' ')}; a uniform draw has {chance} on average.",
    )  # fmt: skip


def strengths(found: Sequence[Found]) -> Table:
    """What each region reaches."""
    head = [
        "Objective, region", "AUES", "raw AUES", "MU95, best", "MU95, crossing", "FS at the end", "RS at the end",
        "recall of V_tgt",
    ]  # fmt: skip
    return Table(head, [row for each in found for row in _rows(each)], "Means ± sd over seeds.")


def _rows(found: Found) -> Iterator[list[str]]:
    for name in found.conditions:
        metrics = ("aues", "aues_raw", "mu95", "crossing", "FS", "RS")
        values = [_spread(list(found.values(name, metric).values())) for metric in metrics]
        recall = list(found.values(name, "recall").values())
        yield [f"{found.arm.objective}: {name}", *values, _spread(recall)]


def losses(found: Sequence[Found], config: LocalizationStudyConfig) -> list[Table]:
    """How near each region comes to the retrained model, in arms that ask for it: only the true one holds a zero."""
    return [_losses(each, config) for each in found if each.arm.objective == "mlp_regression"]


def _losses(found: Found, config: LocalizationStudyConfig) -> Table:
    kinds = ("loss, first", "loss, last", "retain_loss, first", "retain_loss, last")
    rows = [[name, *(_spread(list(found.values(name, kind).values())) for kind in kinds)] for name in found.conditions]
    every = max(1, config.steps // config.evaluations)
    head = ["Region", "Forget loss, first", "last", "Retain loss, first", "last"]
    return Table(head, rows, f"{found.arm.objective}: mean losses of the first and of the last {every} steps.")


def further(found: Sequence[Found], out: Path) -> list[Table]:
    """What relearning and rounding bring back, where it was asked."""
    head = ["Objective, region", "FS, untaught half", "after relearning the other half", "FS at 4 bit", "RS at 4 bit"]
    rows = [row for each in found for row in _further(each, out)]
    return [Table(head, rows, ERASED)] if rows else []


def _further(found: Found, out: Path) -> Iterator[list[str]]:
    targets_of = [read_result(found.arm.target.place(out, seed)) for seed in found.seeds]
    never = [result["further"] for result in targets_of if result and "further" in result]
    if never and any("further" in r for regions in found.seeds.values() for r in regions.values()):
        probed = [_spread([run[probe][name] for run in never]) for probe, name in PROBED.values()]
        yield [f"{found.arm.objective}: θ_r, the control", *probed]
    for name in found.conditions:
        values = [list(found.values(name, metric).values()) for metric in PROBED]
        if any(values):
            yield [f"{found.arm.objective}: {name}", *map(_spread, values)]


def tests(found: Sequence[Comparison], metric: str) -> Table:
    rows = [
        [
            f"{c.objective}: {c.region}", str(c.found.n), signed(c.found.difference), number(c.found.absolute),
            reach(c.found),
            number(c.found.t_p), number(c.found.permutation_p), number(c.holm), number(c.found.tost_p),
            number(c.tost_holm), number(c.found.detectable), c.finding,
        ]
        for c in found
    ]  # fmt: skip
    head = [
        "Minus Random", "Seeds", "Difference", "Mean |Δ|", "95 % interval", "t p", "sign-flip p", "Holm p", "TOST p",
        "TOST Holm p", "Detectable", "Finding",
    ]  # fmt: skip
    return Table(head, rows, f"{UNITS[metric]}{KINDS.get(metric, '')}, against Random.")


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return number(values[0]) if len(values) == 1 else f"{number(fmean(values))} ± {number(stdev(values))}"
