"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.bench.cells import slug
from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import percent
from expunge.studies import Published
from expunge.studies.compared import Compared
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.comparing import (
    Cell,
    Cells,
    Chosen,
    against_uniform,
    areas,
    by_size,
    forms_chosen,
    gaps,
    load,
)
from expunge.studies.frequency.outcomes import Arm
from expunge.studies.frequency.plan import chosen_rates
from expunge.studies.frequency.scene import NEIGHBOURS, asked
from expunge.studies.frequency.tables import (
    compared_table,
    forms_table,
    gaps_table,
    kept_table,
    known_table,
    misaligned_table,
    steps_table,
)
from expunge.studies.frequency.wording import APART, CLAIM, FORMS, headline, how, limits, reading, told, unknown
from expunge.studies.page import Figure, Section, published
from expunge.studies.pictures import Difference, differences, trajectories

TITLE = "Are facts that were seen often harder to unlearn?"


@dataclass(frozen=True)
class _Comparisons:
    harder: Sequence[Compared]  # frequent against rare
    sizes: Sequence[Compared]  # large against small
    chosen: Sequence[Chosen]
    better: Sequence[Compared]  # residual of the chosen form against uniform
    gaps: Sequence[Compared]  # its gap between buckets


def publish(config: FrequencyStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    chosen = forms_chosen(config, found)
    made = _Comparisons(
        areas(config, found), by_size(config, found), chosen, against_uniform(config, chosen), gaps(config, chosen)
    )
    said = headline(made.harder, made.sizes, made.better, made.gaps, found)
    sections = list(_sections(config, out, found, made, said))
    seeds = max((len(each) for each in found.values()), default=0)
    numbers = {
        "rates": chosen_rates(config, out) or {},
        "forms": [{"method": c.method, "size": c.size, "chosen": c.form, "selecting": dict(c.selecting),
                   "tested": {name: list(values) for name, values in c.tested.items()}} for c in chosen],
        "against uniform": {"residual": [_as_json(c) for c in made.better], "gap": [_as_json(c) for c in made.gaps]},
        "cells": [_numbers(cell, config) for several in found.values() for cell in several],
    }  # fmt: skip
    under = f"expunge study frequency · {config.suite} · {seeds} seeds"
    return published(TITLE, under, sections, numbers, said)


def _as_json(each: Compared) -> dict[str, Any]:
    found = each.found
    return {"name": each.name, "seeds": found.n, "means": found.means, "difference": found.difference,
            "interval": found.interval, "p": found.p, "holm": each.holm, "finding": each.finding,
            "values": each.values}  # fmt: skip


def _numbers(cell: Cell, config: FrequencyStudyConfig) -> dict[str, Any]:
    """What the tables are made of; every point of every arm stands in the cell's own folder."""
    result = {name: cell.result[name] for name in ("size", "method", "seed", "rate", "buckets", "never")}
    result |= {"size": config.base or result["size"], "left out": cell.arm().left_out}
    return {**result, "arms": {name: _arm(cell.arm(name), config) for name in cell.result["arms"]}}


def _arm(arm: Arm, config: FrequencyStudyConfig) -> dict[str, Any]:
    point = arm.chosen(config.utility_floor) if arm.judged else None
    kept = arm.by_rule(config.utility_floor)
    beside = arm.judged and NEIGHBOURS in arm.points[0]["measures"]
    return {
        "note": arm.result["note"], "turns": arm.result["turns"], "start": arm.points[0]["measures"],
        "area": {form: {b: arm.area(form, b, config.steps) for b in arm.buckets} for form in arm.forms},
        "half": {form: {b: arm.half(form, b) for b in arm.buckets} for form in arm.forms},
        "residual": arm.worst(point) if point is not None else None,
        "residual, neighbours kept": arm.residual(config.neighbour_floor, NEIGHBOURS) if beside else None,
        "chosen": point, "kept": kept,
    }  # fmt: skip


def _sections(
    config: FrequencyStudyConfig, out: Path, found: Cells, made: _Comparisons, said: Sequence[str]
) -> Iterator[Section]:
    yield Section("The claims, and what we found", [CLAIM, *said, reading(config)])
    yield Section("How it was run", how(config, chosen_rates(config, out)))
    if found:
        yield _harder(config, found, made.harder)
        tables = [misaligned_table(found, config)]
        if made.sizes:
            caption = "M and D of the largest size minus those of the smallest, questions, on the seeds that both have."
            tables.append(compared_table(made.sizes, "Largest", "Smallest", caption))
        yield Section("What is said, and what is found likely", [APART], tables)
    if made.chosen:
        yield _forms(config, found, made)
    yield Section("What this scale cannot say", limits(made.harder, config))


def _harder(config: FrequencyStudyConfig, found: Cells, harder: Sequence[Compared]) -> Section:
    forms = next(iter(found.values()))[0].arm().forms
    caption = "Area of the most frequent bucket minus that of the rarest; all buckets unlearnt together."
    tables = [*(known_table(found, form, config) for form in forms), steps_table(found, config)]
    tables.append(compared_table(harder, "Most frequent", "Rarest", caption))
    if alone := areas(config, found, alone=True):
        tables.append(compared_table(alone, "Most frequent", "Rarest", "The same, each bucket unlearnt alone."))
    tables.append(kept_table(found, config))
    figures = [_dots("harder", harder, config, "How much more of frequent facts stays", "area, most frequent − rarest")]
    for (size, method), several in found.items():
        for form in forms:
            every = {b: _mean([cell.arm().curve(form, b) for cell in several]) for b in several[0].arm().buckets}
            lines = {bucket: line for bucket, line in every.items() if line}
            parts = (method, size, asked(form, config.suite))
            name, title = "-".join(["left", *map(slug, parts)]), ", ".join(parts)
            drawn = trajectories(lines, title, "step", "share still said")
            caption = f"{title}: what is still said of what was said before, means over seeds."
            figures.append(Figure(name, drawn, caption))
    return Section("Rare against frequent", unknown(config, found), tables, [each for each in figures if each.drawn])


def _forms(config: FrequencyStudyConfig, found: Cells, made: _Comparisons) -> Section:
    floors = f"The utility kept is {percent(config.utility_floor)} of the retained rows that choose"
    said = [FORMS, f"{floors}.", *told(made.better, ("the form", "uniform unlearning"), "of the way")]
    caption = "The gap at those points: most frequent minus rarest, on the seeds that test."
    tables = [
        forms_table(made.chosen), compared_table(made.better, "Form", UNIFORM, "Residual on the seeds that test."),
        *([compared_table(made.gaps, "Form", UNIFORM, caption)] if made.gaps else []), gaps_table(made.chosen, config),
    ]  # fmt: skip
    if again := forms_chosen(config, found, NEIGHBOURS):
        caption = f"Residual where the neighbours keep {percent(config.neighbour_floor)} in place of the retained rows."
        tables.append(compared_table(against_uniform(config, again), "Form", UNIFORM, caption))
    drawn = _dots("forms", made.better, config, "Forms by frequency against uniform", "residual, form − uniform")
    return Section("Unlearning by frequency, at equal utility", said, tables, [drawn] if drawn.drawn else [])


def _dots(name: str, several: Sequence[Compared], config: FrequencyStudyConfig, title: str, unit: str) -> Figure:
    rows = [Difference(c.name, c.found.difference, c.found.interval, c.values) for c in several]
    caption = f"{title}: mean with its 95 % interval; dots are seeds, the band counts as equivalent."
    return Figure(name, differences(rows, config.margin, title, unit), caption)


def _mean(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[float, float]]:
    """Over seeds, at the steps that all have."""
    known = [dict(each) for each in curves if each]
    steps = sorted(set.intersection(*(set(each) for each in known))) if known else []
    return [(float(step), fmean(each[step] for each in known)) for step in steps]
