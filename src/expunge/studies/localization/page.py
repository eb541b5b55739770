"""The report: the claim, what came out, and what this scale cannot say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from expunge.bench.cells import slug
from expunge.config import LocalizationStudyConfig
from expunge.report.numbers import listed, number, percent, signed
from expunge.studies import Published
from expunge.studies.compared import reach
from expunge.studies.localization.arms import LARGEST, ORACLE, Target, targets
from expunge.studies.localization.comparing import PROBED, RANDOM, UNITS, Comparison, Found, compared, load
from expunge.studies.localization.plan import chosen_rates, pilots, recall_place, recalled
from expunge.studies.localization.wording import CLAIM, FOUND, READING, UNSEEN, descriptive, headline, how, limits
from expunge.studies.page import Figure, Section, Table, published
from expunge.studies.pictures import Difference, differences, trajectories
from expunge.studies.running import read_result

TITLE = "Does localization inform unlearning?"
KINDS = {
    "mu95": " (MU95, best)", "crossing": " (MU95, at the crossing)",
    "relearnt": " after relearning the other half minus FS before it", "rounded": " at 4 bit minus FS at the end",
}  # fmt: skip
CHANGES = {"relearnt": "what relearning adds to FS", "rounded": "what rounding adds to FS"}
ERASED = (
    "Does it erase or hide? The last point of each run, means ± sd over seeds. Runs end at different FS, so regions "
    "are compared by how much FS falls from there, in the tables below: below 0 is knowledge that comes back."
)


def publish(config: LocalizationStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    comparisons = {metric: compared(found, config, metric) for metric in UNITS}
    sections = list(_sections(config, out, found, comparisons))
    seeds = sorted({len(each.seeds) for each in found}) or [0]
    under = f"expunge study localization · {config.suite} · {listed([str(n) for n in seeds])} seeds"
    numbers = {
        "rates": {f"{name}, {kind}": rate for (name, kind), rate in (chosen_rates(config, out) or {}).items()},
        "comparisons": [_plain(each) for several in comparisons.values() for each in several],
        "arms": [{"part": f.arm.part, "objective": f.arm.objective, "seeds": f.seeds} for f in found],
    }  # fmt: skip
    return published(TITLE, under, sections, numbers, headline(config, comparisons))


def _sections(
    config: LocalizationStudyConfig, out: Path, found: Sequence[Found], compared_by: dict[str, list[Comparison]]
) -> Iterator[Section]:
    yield Section("The claim, and what we found", [CLAIM, *headline(config, compared_by), READING])
    yield Section("How it was run", how(config, out), [_targets(config, out), _pilots(config, out)])
    for part in dict.fromkeys(each.arm.part for each in found):
        here = [each for each in found if each.arm.part == part]
        yield _part(part, here, compared_by, config, out)
    tables = [table for target in recalled(config) if (table := _recalls(config, out, target)).rows]
    if tables:
        unseen = [] if any(t.granularity == "heads" for t in recalled(config)) else [UNSEEN]
        yield Section("Do localizers find what was planted?", [FOUND, *unseen], tables)
    yield Section("What this scale cannot say", limits(compared_by["aues"], config))


def _targets(config: LocalizationStudyConfig, out: Path) -> Table:
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


def _pilots(config: LocalizationStudyConfig, out: Path) -> Table:
    rows = []
    for pilot in pilots(config):
        if (result := read_result(pilot.place(out))) is not None:
            note = result.get("note") or "–"
            rows.append([pilot.objective, pilot.kind, f"{pilot.rate:g}", number(result["aues"]), note])
    return Table(["Objective", "Trained", "Learning rate", "AUES", "Diverged"], rows, "The pilot.")


def _recalls(config: LocalizationStudyConfig, out: Path, target: Target) -> Table:
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


def _part(
    part: str, found: Sequence[Found], compared_by: dict[str, list[Comparison]], config: LocalizationStudyConfig,
    out: Path,
) -> Section:  # fmt: skip
    rows = [row for each in found for row in _rows(each)]
    head = [
        "Objective, region", "AUES", "raw AUES", "MU95, best", "MU95, crossing", "FS at the end", "RS at the end",
        "recall of V_tgt",
    ]  # fmt: skip
    tables = [Table(head, rows, "Means ± sd over seeds.")]
    own = {metric: [c for c in several if c.part == part] for metric, several in compared_by.items()}
    shown = () if descriptive(config) else tuple(UNITS)
    tables += [_losses(each, config) for each in found if each.arm.objective == "mlp_regression"]
    tables += [_tests(own[metric], metric) for metric in shown if own[metric] and metric not in CHANGES]
    if further := [row for each in found for row in _further(each, out)]:
        tables.append(Table(
            ["Objective, region", "FS, untaught half", "after relearning the other half", "FS at 4 bit", "RS at 4 bit"],
            further, ERASED,
        ))  # fmt: skip
    tables += [_tests(own[metric], metric) for metric in shown if own[metric] and metric in CHANGES]
    figures = [
        Figure(
            f"{_slug(part)}-{_slug(each.arm.objective)}",
            trajectories({name: each.curve(name) for name in each.conditions}, f"{part}, {each.arm.objective}",
                         "RS (kept)", "FS (forgotten)"),
            f"{part}, {each.arm.objective}: up is forgotten, right is kept; hollow is the start, means over seeds.",
        )
        for each in found
    ]  # fmt: skip
    rows_of = [Difference(f"{c.objective}: {c.region}", c.found.difference, c.found.interval, c.values)
               for c in own["aues"]]  # fmt: skip
    unit = "AUES minus Random's"
    figures.append(Figure(
        f"{_slug(part)}-differences", differences(rows_of, config.margin, f"{part}: {unit}", unit),
        "Mean difference to Random with its 95 % interval; dots are seeds, the band is what counts as equivalent.",
    ))  # fmt: skip
    said = [
        f"{c.objective}: {c.told((c.region, RANDOM), UNITS['aues'])}"
        for c in own["aues"] if c.region in (ORACLE, LARGEST) and not descriptive(config)
    ]  # fmt: skip
    said += [
        f"{c.objective}, {what}: {c.told((c.region, RANDOM), 'FS')}"
        for metric, what in CHANGES.items() for c in own[metric] if c.region == ORACLE and metric in shown
    ]  # fmt: skip
    broken = [line for each in found for line in each.diverged()]
    if broken:
        broken.append(
            "A run that diverged keeps what was measured before; it has no raw AUES and limits no other run's, and "
            "Random has none in that seed."
        )
    why = Counter(reason for each in found for name in each.conditions for reason in each.reasons(name))
    absent = [f"{count} runs have no MU95: {reason}." for reason, count in why.most_common()]
    return Section(f"Part {part}", [*said, *broken, *absent], tables, [f for f in figures if f.drawn])


def _rows(found: Found) -> Iterator[list[str]]:
    for name in found.conditions:
        metrics = ("aues", "aues_raw", "mu95", "crossing", "FS", "RS")
        values = [_spread(list(found.values(name, metric).values())) for metric in metrics]
        recall = list(found.values(name, "recall").values())
        yield [f"{found.arm.objective}: {name}", *values, _spread(recall)]


def _losses(found: Found, config: LocalizationStudyConfig) -> Table:
    """How near each region comes to the retrained model: only the true one holds an exact zero."""
    kinds = ("loss, first", "loss, last", "retain_loss, first", "retain_loss, last")
    rows = [[name, *(_spread(list(found.values(name, kind).values())) for kind in kinds)] for name in found.conditions]
    every = max(1, config.steps // config.evaluations)
    head = ["Region", "Forget loss, first", "last", "Retain loss, first", "last"]
    return Table(head, rows, f"{found.arm.objective}: mean losses of the first and of the last {every} steps.")


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


def _tests(found: Sequence[Comparison], metric: str) -> Table:
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


def _plain(each: Comparison) -> dict[str, Any]:
    return {
        "part": each.part, "objective": each.objective, "region": each.region, "metric": each.metric,
        "values": each.values, "finding": each.finding, "holm": each.holm, "tost_holm": each.tost_holm,
        **asdict(each.found),
    }  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return number(values[0]) if len(values) == 1 else f"{number(fmean(values))} ± {number(stdev(values))}"


def _slug(text: str) -> str:
    return slug(text.lower()).replace(",", "")
