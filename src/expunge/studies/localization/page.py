"""The report: the claim, what came out, and what this scale cannot say."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from expunge import __version__
from expunge.bench.cells import slug
from expunge.config import LocalizationStudyConfig
from expunge.report.numbers import listed, number, percent, signed
from expunge.studies import Published
from expunge.studies.localization.arms import LARGEST, ORACLE, targets
from expunge.studies.localization.comparing import RANDOM, UNITS, Comparison, Found, compared, condition, load
from expunge.studies.localization.plan import chosen_rates, pilots, recall_place
from expunge.studies.page import Figure, Section, Table, files, to_html, to_markdown
from expunge.studies.paired import sentence
from expunge.studies.pictures import Difference, differences, trajectories
from expunge.studies.running import read_result

TITLE = "Does localization inform unlearning?"
CLAIM = (
    "The claim (Lee et al. 2025, arXiv:2505.16252, LLaMA-3.1-8B and OLMo2-7B on TOFU): localizers choose no better "
    "regions than chance of the same size (their Table 1), and even the region in which the forget set was planted by "
    "construction is no better than a random one disjoint from it: all p > 0.3, |Δ| at most .018 AUES (their Table 2)."
)
READING = (
    "FS is 1 - extraction strength of the forget rows, RS that of the retain rows. AUES is the area under RS as a "
    "function of FS, from 0 to 1, higher is better: it rewards a good exchange and getting far within the steps. Raw "
    "AUES is the part between the FS that all regions of a seed pass through: the exchange alone, and where RS stays at "
    "1 just the length of that range, the same for all. MU95 is log10 p of "
    "forget quality at 95 % of the utility: 0 cannot be told from a retrained model."
)
_SIZE = (
    "A network of a million parameters has less redundancy than one of eight billion: a random region of it may do better "
    "or worse than there. "
)
KINDS = {"mu95": " (MU95, best)", "crossing": " (MU95, at the crossing)"}
SCALES = {"aues": "AUES", "aues_raw": "raw AUES"}
_FOUND = (
    "Each localizer that scores these units was asked, on the planted targets, for as many units as V_tgt has; recall "
    "and precision are then one number, and a uniform draw has {} on average."
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
    return Published(
        {
            "report.html": to_html(TITLE, under, sections, __version__),
            "report.md": to_markdown(TITLE, under, sections),
            "results.json": json.dumps(numbers, indent=1) + "\n",
            **files(sections),
        },
        headline(config, comparisons),
    )


def headline(config: LocalizationStudyConfig, compared_by: dict[str, list[Comparison]]) -> tuple[str, ...]:
    """A sentence for each objective of part B on Oracle, and one for each part and objective on all regions."""
    lines = []
    for part in dict.fromkeys(c.part for c in compared_by["aues"] if c.part in config.parts):
        for objective in config.objectives:
            here = {
                m: [c for c in found if (c.part, c.objective) == (part, objective)] for m, found in compared_by.items()
            }
            for each in (c for c in here["aues"] if c.region == ORACLE and not _descriptive(config)):
                lines.append(f"{objective}: {sentence(each.found, ('Oracle', RANDOM), 'AUES')}")
            said = [f"by {name}, {_ranked(here[m], config)}" for m, name in SCALES.items() if here[m]]
            if said:
                lines.append(f"Part {part}, {objective}, against Random: {'; '.join(said)}.")
    return tuple(lines) or ("No arm has two seeds yet.",)


def _descriptive(config: LocalizationStudyConfig) -> bool:
    """Few seeds of a real model: differences are told, and not tested."""
    return config.base is not None


def _ranked(found: Sequence[Comparison], config: LocalizationStudyConfig) -> str:
    """Who is better than Random, who worse, who neither, after Holm's correction."""
    if _descriptive(config):
        return listed([f"{c.region} {signed(c.found.difference)} ± {number(c.found.sd)}" for c in found])
    kinds = {
        "better": [c for c in found if c.finding == "differ" and c.found.difference > 0],
        "worse": [c for c in found if c.finding == "differ" and c.found.difference < 0],
        **{kind: [c for c in found if c.finding == kind] for kind in ("equivalent", "identical", "unresolved")},
    }
    said = [
        f"{kind}: {listed([f'{c.region} ({signed(c.found.difference)})' for c in several])}"
        for kind, several in kinds.items()
        if several
    ]
    return ", ".join(said)


def _sections(
    config: LocalizationStudyConfig, out: Path, found: Sequence[Found], compared_by: dict[str, list[Comparison]]
) -> Iterator[Section]:
    yield Section("The claim, and what we found", [CLAIM, *headline(config, compared_by), READING])
    yield Section("How it was run", _how(config, out), [_targets(config, out), _pilots(config, out)])
    for part in dict.fromkeys(each.arm.part for each in found):
        here = [each for each in found if each.arm.part == part]
        yield _part(part, here, compared_by, config, out)
    if (recalls := _recalls(config, out)).rows:
        yield Section("Do localizers find what was planted?", [_FOUND.format(percent(config.budget))], [recalls])
    yield Section("What this scale cannot say", _limits(compared_by["aues"], config))


def _how(config: LocalizationStudyConfig, out: Path) -> list[str]:
    rates = chosen_rates(config, out) or {}
    said = ", ".join(f"{name} ({kind}) {rate:g}" for (name, kind), rate in rates.items()) or "not yet chosen"
    tuned = (
        f"Learning rates were chosen by AUES on a pilot seed (number {config.seeds}) that no result below has: {said}. "
        "Regions' rates are tried on a planted target, those of all weights on a trained one, so part A compares regions "
        "with one another, and not with all weights, on equal terms."
        if any(True for _ in pilots(config))
        else f"Learning rates were given, not tuned: {said}."
    )
    tests = (
        "Few seeds of a real model: what follows is descriptive, nothing is tested."
        if _descriptive(config)
        else f"Tests are paired over seeds: t, exact sign flips, TOST at ±{config.margin:g} AUES and "
        f"±{config.quality_margin:g} log10 p. A finding is what holds after Holm's correction over all comparisons of "
        "its table; the other p-values stand uncorrected."
    )
    return [
        f"Each seed has its own models, region, rows and order. {config.steps} steps of {config.batch_size} forget and "
        f"as many retain examples, AdamW with weight decay {config.weight_decay:g}, retain loss NLL with weight 1 "
        f"(RMU: hidden states); measured every {max(1, config.steps // config.evaluations)} steps on {config.rows} forget "
        f"and {config.rows} retain rows. Regions are {percent(config.budget)} of all "
        f"{config.granularity.replace('_', ' ')}; part B plants the forget set in V_tgt with {config.replay:g} retained "
        "texts for each planted one (the paper replays none).",
        tuned,
        f"{config.draws} draws of Random are averaged within a seed. {tests}",
    ]


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
            rows.append([pilot.objective, pilot.kind, f"{pilot.rate:g}", number(result["aues"])])
    return Table(["Objective", "Trained", "Learning rate", "AUES"], rows, "The pilot.")


def _recalls(config: LocalizationStudyConfig, out: Path) -> Table:
    results = [read_result(recall_place(out, seed)) for seed in range(config.seeds)]
    there = [result["localizers"] for result in results if result is not None]
    values = {name: [each[name]["recall"] for each in there] for name in (there[0] if there else ())}
    best = sorted(values, key=lambda name: -fmean(values[name]))
    return Table(["Localizer", "Seeds", "Recall of V_tgt"], [[n, str(len(there)), _spread(values[n])] for n in best])


def _part(
    part: str, found: Sequence[Found], compared_by: dict[str, list[Comparison]], config: LocalizationStudyConfig,
    out: Path,
) -> Section:  # fmt: skip
    rows = [row for each in found for row in _rows(each)]
    head = [
        "Objective, region", "AUES", "raw AUES", "MU95, best", "MU95, at the crossing", "FS at the end", "RS at the end",
        "recall of V_tgt",
    ]  # fmt: skip
    tables = [Table(head, rows, "Means ± sd over seeds.")]
    own = {metric: [c for c in several if c.part == part] for metric, several in compared_by.items()}
    shown = () if _descriptive(config) else ("aues", "aues_raw", "mu95", "crossing")
    tables += [_tests(own[metric], metric) for metric in shown if own[metric]]
    if further := [row for each in found for row in _further(each, out)]:
        tables.append(Table(
            ["Objective, region", "FS, untaught half", "after relearning the other half", "FS at 4 bit", "RS at 4 bit"],
            further, "Does it erase or hide? The last point of each run, means ± sd.",
        ))  # fmt: skip
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
        f"{c.objective}: {sentence(c.found, (c.region, RANDOM), UNITS['aues'])}"
        for c in own["aues"] if c.region in (ORACLE, LARGEST) and not _descriptive(config)
    ]  # fmt: skip
    why = Counter(reason for each in found for name in each.conditions for reason in each.reasons(name))
    absent = [f"{count} runs have no MU95: {reason}." for reason, count in why.most_common()]
    return Section(f"Part {part}", [*said, *absent], tables, [f for f in figures if f.drawn])


def _rows(found: Found) -> Iterator[list[str]]:
    for name in found.conditions:
        metrics = ("aues", "aues_raw", "mu95", "crossing", "FS", "RS")
        values = [_spread(list(found.values(name, metric).values())) for metric in metrics]
        recall = list(found.values(name, "recall").values())
        yield [f"{found.arm.objective}: {name}", *values, _spread(recall)]


def _further(found: Found, out: Path) -> Iterator[list[str]]:
    targets_of = [read_result(found.arm.target.place(out, seed)) for seed in found.seeds]
    never = [result["further"] for result in targets_of if result and "further" in result]
    if never and any("further" in r for regions in found.seeds.values() for r in regions.values()):
        yield [f"{found.arm.objective}: θ_r, the control", *_probed(never)]
    for name in found.conditions:
        runs = [r["further"] for regions in found.seeds.values() for n, r in regions.items()
                if condition(n) == name and "further" in r]  # fmt: skip
        if runs:
            yield [f"{found.arm.objective}: {name}", *_probed(runs)]


def _probed(runs: Sequence[dict[str, Any]]) -> list[str]:
    relearnt = [_spread([run["relearnt"][when] for run in runs]) for when in ("before", "after")]
    return [*relearnt, *(_spread([run["rounded"][name] for run in runs]) for name in ("FS", "RS"))]


def _tests(found: Sequence[Comparison], metric: str) -> Table:
    rows = [
        [
            f"{c.objective}: {c.region}", str(c.found.n), signed(c.found.difference), number(c.found.absolute),
            "–" if c.found.interval is None else f"{signed(c.found.interval[0])} to {signed(c.found.interval[1])}",
            number(c.found.t_p), number(c.found.permutation_p), number(c.holm), number(c.found.tost_p),
            number(c.found.detectable), c.finding,
        ]
        for c in found
    ]  # fmt: skip
    head = [
        "Minus Random", "Seeds", "Difference", "Mean |Δ|", "95 % interval", "t p", "sign-flip p", "Holm p", "TOST p",
        "Detectable", "Finding",
    ]  # fmt: skip
    return Table(head, rows, f"{UNITS[metric]}{KINDS.get(metric, '')}, against Random.")


def _limits(found: Sequence[Comparison], config: LocalizationStudyConfig) -> list[str]:
    least = [c.found.detectable for c in found if c.found.detectable is not None]
    power = (
        f"Effects below {number(min(least))} to {number(max(least))} AUES (80 % power, from the spread seen here) "
        "would have been missed: the paper's own differences are at most .018."
        if least
        else "There are no comparisons yet."
    )
    return [
        power,
        f"{_SIZE if config.base is None else ''}V_tgt is itself a uniform draw, so Random is of its kind; nothing here speaks of "
        "structured locations, of attention unless it says so, or of knowledge that all weights learnt.",
        "MemFlex and WAGLE in value vectors are reconstructions of what the paper calls reformulated; its metric "
        "formulas, its learning rates and its test of significance are not published.",
    ]


def _plain(each: Comparison) -> dict[str, Any]:
    return {
        "part": each.part, "objective": each.objective, "region": each.region, "metric": each.metric,
        "values": each.values, "finding": each.finding, "holm": each.holm, **asdict(each.found),
    }  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return number(values[0]) if len(values) == 1 else f"{number(fmean(values))} ± {number(stdev(values))}"


def _slug(text: str) -> str:
    return slug(text.lower()).replace(",", "")
