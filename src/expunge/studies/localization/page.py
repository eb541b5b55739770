"""The report: the claim, what came out, and what this scale cannot say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.config import LocalizationStudyConfig
from expunge.report.numbers import listed
from expunge.studies import Published
from expunge.studies.localization.arms import LARGEST, ORACLE
from expunge.studies.localization.comparing import RANDOM, UNITS, Comparison, Found, compared, load
from expunge.studies.localization.plan import chosen_rates, recalled
from expunge.studies.localization.tables import (
    further,
    losses,
    pilots_table,
    recalls_table,
    strengths,
    targets_table,
    tests,
)
from expunge.studies.localization.wording import (
    CLAIM,
    DIVERGED,
    FOUND,
    READING,
    UNSEEN,
    descriptive,
    headline,
    how,
    limits,
)
from expunge.studies.page import Figure, Section, published
from expunge.studies.pictures import Difference, differences, trajectories

TITLE = "Does localization inform unlearning?"
CHANGES = {"relearnt": "what relearning adds to FS", "rounded": "what rounding adds to FS"}


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
    yield Section("How it was run", how(config, out), [targets_table(config, out), pilots_table(config, out)])
    for part in dict.fromkeys(each.arm.part for each in found):
        here = [each for each in found if each.arm.part == part]
        yield _part(part, here, compared_by, config, out)
    tables = [table for target in recalled(config) if (table := recalls_table(config, out, target)).rows]
    if tables:
        asked = config.base is not None or any(t.granularity == "heads" for t in recalled(config))
        unseen = [] if asked else [UNSEEN]
        yield Section("Do localizers find what was planted?", [FOUND, *unseen], tables)
    yield Section("What this scale cannot say", limits(compared_by["aues"], config))


def _part(
    part: str, found: Sequence[Found], compared_by: dict[str, list[Comparison]], config: LocalizationStudyConfig,
    out: Path,
) -> Section:  # fmt: skip
    own = {metric: [c for c in several if c.part == part] for metric, several in compared_by.items()}
    tested = {} if descriptive(config) else own
    judged = {metric: tests(each, metric) for metric, each in tested.items() if each}
    comes_back = [judged.pop(metric) for metric in CHANGES if metric in judged]
    tables = [strengths(found), *losses(found, config), *judged.values(), *further(found, out), *comes_back]
    why = Counter(reason for each in found for name in each.conditions for reason in each.reasons(name))
    absent = [f"{count} runs have no MU95: {reason}." for reason, count in why.most_common()]
    broken = [line for each in found for line in each.diverged()]
    lines = [*_said(tested), *broken, *([DIVERGED] if broken else []), *absent]
    return Section(f"Part {part}", lines, tables, [f for f in _figures(part, found, own["aues"], config) if f.drawn])


def _said(tested: dict[str, list[Comparison]]) -> Iterator[str]:
    """A sentence for each comparison of a region that was told where the forget set is."""
    for c in tested.get("aues", ()):
        if c.region in (ORACLE, LARGEST):
            yield f"{c.objective}: {c.told((c.region, RANDOM), UNITS['aues'])}"
    for metric, what in CHANGES.items():
        for c in tested.get(metric, ()):
            if c.region == ORACLE:
                yield f"{c.objective}, {what}: {c.told((c.region, RANDOM), UNITS[metric])}"


def _figures(
    part: str, found: Sequence[Found], several: Sequence[Comparison], config: LocalizationStudyConfig
) -> Iterator[Figure]:
    for each in found:
        name = f"{part}, {each.arm.objective}"
        curves = {region: each.curve(region) for region in each.conditions}
        yield Figure(
            f"{_slug(part)}-{_slug(each.arm.objective)}", trajectories(curves, name, "RS (kept)", "FS (forgotten)"),
            f"{name}: up is forgotten, right is kept; hollow is the start, means over seeds.",
        )  # fmt: skip
    rows = [Difference(f"{c.objective}: {c.region}", c.found.difference, c.found.interval, c.values) for c in several]
    unit = "AUES minus Random's"
    yield Figure(
        f"{_slug(part)}-differences", differences(rows, config.margin, f"{part}: {unit}", unit),
        "Mean difference to Random with its 95 % interval; dots are seeds, the band is what counts as equivalent.",
    )  # fmt: skip


def _plain(each: Comparison) -> dict[str, Any]:
    return {
        "part": each.part, "objective": each.objective, "region": each.region, "metric": each.metric,
        "values": each.values, "finding": each.finding, "holm": each.holm, "tost_holm": each.tost_holm,
        **asdict(each.found),
    }  # fmt: skip


def _slug(text: str) -> str:
    return slug(text.lower()).replace(",", "")
