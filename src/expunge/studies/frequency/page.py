"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Sequence
from math import log
from pathlib import Path
from statistics import fmean

from expunge.bench.cells import slug
from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import percent
from expunge.studies import Published
from expunge.studies.compared import Compared
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.comparing import Cells, Harder, by_size, load, sizes_of
from expunge.studies.frequency.equal_utility import against_uniform, forms_chosen, gaps
from expunge.studies.frequency.form_tables import forms_table, gaps_table
from expunge.studies.frequency.numbers import numbers
from expunge.studies.frequency.rates import chosen_rates, trials
from expunge.studies.frequency.scene import NEIGHBOURS, asked
from expunge.studies.frequency.tables import (
    compared_table,
    kept_table,
    known_table,
    misaligned_table,
    pilots_table,
    ratios_table,
    steps_table,
)
from expunge.studies.frequency.telling import Comparisons, astray, headline, told, unknown
from expunge.studies.frequency.wording import CLAIM, FORMS, apart, descriptive, how, limits, reading, seeds_by_size
from expunge.studies.page import Figure, Section, published
from expunge.studies.pictures import Difference, differences, trajectories

TITLE = "Are facts that were seen often harder to unlearn?"


def publish(config: FrequencyStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    made = _compared(config, found)
    said = headline(made, found, tested=not descriptive(config))
    sections = list(_sections(config, out, found, made, said))
    under = " · ".join([f"expunge study frequency · {config.suite}", *(seeds_by_size(found) or ["0 seeds"])])
    return published(TITLE, under, sections, numbers(config, out, found, made), said)


def _compared(config: FrequencyStudyConfig, found: Cells) -> Comparisons:
    chosen = forms_chosen(config, found)
    return Comparisons(
        Harder.of(config, found), by_size(config, found), chosen, against_uniform(config, chosen),
        against_uniform(config, forms_chosen(config, found, NEIGHBOURS)), gaps(config, chosen),
        gaps(config, chosen, width=True),
    )  # fmt: skip


def _sections(
    config: FrequencyStudyConfig, out: Path, found: Cells, made: Comparisons, said: Sequence[str]
) -> Iterator[Section]:
    rates, tried = chosen_rates(config, out), trials(config, out)
    yield Section("The claims, and what we found", [CLAIM, *said, reading(config)])
    pilots = [pilots_table(tried, rates or {})] if tried else []
    yield Section("How it was run", [*how(config, found, rates, tried), astray(found, tried)], pilots)
    if found:
        yield _harder(config, found, made.harder)
        tables = [misaligned_table(found, config)]
        if made.sizes:
            small, *_, large = sizes_of(found)
            caption = f"D of {large} minus that of {small}, questions, on the seeds that both have."
            tables.append(compared_table(made.sizes, large, small, caption, tested=not descriptive(config)))
        yield Section("What is said, and what is found likely", [apart(found)], tables)
    if made.chosen:
        yield _forms(config, made)
    yield Section("What this scale cannot say", limits(made.harder.first, config, found))


def _harder(config: FrequencyStudyConfig, found: Cells, harder: Harder) -> Section:
    forms = next(iter(found.values()))[0].arm().forms
    tables = [*(known_table(found, form, config) for form in forms), steps_table(found, config)]
    together = "Steps until forgotten, most frequent bucket over rarest; all buckets unlearnt together"
    for several, caption in (
        (harder.first, f"{together}."),
        (harder.others, f"{together}; the sizes with fewer seeds." if not config.full else f"{together}; other sizes."),
        (harder.alone, "The same, each bucket unlearnt alone."),
    ):
        if several:
            tables.append(ratios_table(several, "Most frequent", "Rarest", caption, tested=not descriptive(config)))
    tables.append(kept_table(found, config))
    every = [*harder.first, *harder.others]
    dots = _dots("harder", every, log(config.ratio), "How much longer frequent facts stay",
                 "logarithm of steps, most frequent − rarest")  # fmt: skip
    figures = [dots, *_curves(config, found, forms)]
    return Section("Rare against frequent", unknown(config, found), tables, [each for each in figures if each.drawn])


def _curves(config: FrequencyStudyConfig, found: Cells, forms: Sequence[str]) -> Iterator[Figure]:
    for (size, method), several in found.items():
        for form in forms:
            every = {b: _mean([cell.arm().curve(form, b) for cell in several]) for b in several[0].arm().buckets}
            lines = {bucket: line for bucket, line in every.items() if line}
            parts = (method, size, asked(form, config.suite))
            name, title = "-".join(["left", *map(slug, parts)]), ", ".join(parts)
            drawn = trajectories(lines, title, "step", "share still said")
            yield Figure(name, drawn, f"{title}: what is still said of what was said before, means over seeds.")


def _forms(config: FrequencyStudyConfig, made: Comparisons) -> Section:
    floors = f"The utility kept is {percent(config.utility_floor)} of the retained rows that choose"
    tested = not descriptive(config)
    better = told(made.better, ("the form", "uniform unlearning"), "of the way") if tested else []
    said = [FORMS, f"{floors}.", *better]
    kept = (
        f"Residual where the neighbours keep {percent(config.neighbour_floor)} in place of the retained rows, of the "
        "form that was chosen so."
    )
    gap = "The gap at those points: most frequent minus rarest, on the seeds that test."
    tables = [forms_table(made.chosen), gaps_table(made.chosen, config)]
    for several, caption in (
        (made.better, "Residual on the seeds that test."),
        (made.gaps, gap),
        (made.widths, "The same gap without its sign."),
        (made.beside, kept),
    ):
        tables += [compared_table(several, "Form", UNIFORM, caption, tested=tested)] if several else []
    drawn = _dots("forms", made.better, config.margin, "Forms by frequency against uniform", "residual, form − uniform")
    return Section("Unlearning by frequency, at equal utility", said, tables, [drawn] if drawn.drawn else [])


def _dots(name: str, several: Sequence[Compared], margin: float, title: str, unit: str) -> Figure:
    rows = [Difference(c.name, c.found.difference, c.found.interval, c.values) for c in several]
    caption = f"{title}: mean with its 95 % interval; dots are seeds, the band counts as equivalent."
    return Figure(name, differences(rows, margin, title, unit), caption)


def _mean(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[float, float]]:
    """Over seeds, at the steps that all have."""
    known = [dict(each) for each in curves if each]
    steps = sorted(set.intersection(*(set(each) for each in known))) if known else []
    return [(float(step), fmean(each[step] for each in known)) for step in steps]
