"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.config import UipeStudyConfig
from expunge.report.numbers import number
from expunge.studies import Published
from expunge.studies.compared import Compared
from expunge.studies.page import Figure, Section, Table, published
from expunge.studies.pictures import Difference, differences, trajectories
from expunge.studies.results import read_result
from expunge.studies.spread import spread
from expunge.studies.uipe.comparing import (
    MARGIN,
    Cell,
    Choice,
    choices,
    equal_rows,
    load,
    mean_line,
    motivated,
    taken_along,
)
from expunge.studies.uipe.plan import READ, chosen_rates, motivating
from expunge.studies.uipe.scene import FORGET, RELATED, STATEMENT, TEST, UNRELATED
from expunge.studies.uipe.tables import (
    Cells,
    automatic_table,
    choice_table,
    groups_of,
    moved_table,
    origins_table,
    p_value,
    promise_table,
    selectors_table,
    strengths_table,
    taken_table,
)
from expunge.studies.uipe.wording import CHOICE, CLAIM, SELECTING, headline, how, kept_promise, limits, reading

TITLE = "Does extrapolating the update remove what further training cannot?"
WAYS = {"more steps": None, "α from early": "early", "α from half": "half"}


def publish(config: UipeStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    taken, chosen = taken_along(found, 1.0, RELATED, UNRELATED), list(choices(config, found))
    said = headline(config, taken, chosen, found)
    sections = list(_sections(config, out, found, taken, chosen, said))
    seeds = max((len(each) for each in found.values()), default=0)
    numbers = {
        "rates": chosen_rates(config, out),
        "cells": [cell.result for several in found.values() for cell in several],
        "motivating": [r for _, place in motivating(config) if (r := read_result(out / place)) is not None],
    }
    under = f"expunge study uipe · {config.suite} · {seeds} seeds"
    return published(TITLE, under, sections, numbers, said)


def _sections(
    config: UipeStudyConfig, out: Path, found: Cells, taken: Sequence[Compared], chosen: Sequence[Choice],
    said: Sequence[str],
) -> Iterator[Section]:  # fmt: skip
    yield Section("The claims, and what we found", [CLAIM, *said, reading(config)])
    yield Section("How it was run", how(config, chosen_rates(config, out)))
    if found:
        yield _curves(config, found, taken)
        yield _controls(found)
        asked = kept_promise(found)
        promise = [promise_table(found)] if asked else []
        tables = [selectors_table(chosen), *promise, origins_table(found), automatic_table(found)]
        yield Section("Choosing α", [SELECTING, *asked], tables)
        if any("choice" in cell.start[FORGET] for several in found.values() for cell in several):
            yield Section("Told from wrong answers", [CHOICE], [choice_table(found)])
    if motivated := [r for _, place in motivating(config) if (r := read_result(out / place)) is not None]:
        yield _motivated(motivated)
    yield Section("What this scale cannot say", limits(taken, config))


def _curves(config: UipeStudyConfig, found: Cells, taken: Sequence[Compared]) -> Section:
    groups = [*groups_of(found), TEST]
    rows = [
        [f"{method}, {size}", f"{alpha:g}", *(spread([cell.at(alpha)[g]["level"] for cell in several]) for g in groups)]
        for (size, method), several in found.items() for alpha in READ
    ]  # fmt: skip
    tables = [Table(["Method, model", "α", *groups], rows, "Levels along α from the early checkpoint, means ± sd.")]
    tables.append(strengths_table(found, config.alphas))
    figures = []
    if taken:
        tables.append(taken_table(taken))
        dots = [Difference(t.name, t.found.difference, t.found.interval, t.values) for t in taken]
        unit = "related minus unrelated drop, nats per token, α from 0 to 1"
        figures.append(Figure("taken-along", differences(dots, MARGIN, "What goes along", unit),
                              "How much more related facts lose than unrelated ones: mean with its 95 % interval; dots "
                              "are seeds, the band counts as equivalent."))  # fmt: skip
    for size in dict.fromkeys(size for size, _ in found):
        lines = {
            method: [(a, y) for a, (_, y) in zip(config.alphas, _line(several, "early", RELATED))]
            for (s, method), several in found.items() if s == size and RELATED in several[0].start
        }  # fmt: skip
        figures.append(Figure(f"related-{slug(size)}", trajectories(lines, f"Related knowledge over α, {size}", "α",
                                                                    "related level"),
                              f"{size}: level of the related facts over α, means over seeds."))  # fmt: skip
    return Section("Along α", [], tables, [f for f in figures if f.drawn])


def _controls(found: Cells) -> Section:
    rows, figures = [], []
    for (size, method), several in found.items():
        cells = [f"{method}, {size}"]
        for group in (RELATED, STATEMENT, TEST):
            if group not in several[0].start:
                cells += ["–", "–"]
                continue
            result, n = equal_rows(several, 0.5, group)
            cells += (
                [f"{number(result.means[0])} against {number(result.means[1])}", p_value(result)]
                if result
                else ["–", "–"]
            )
            reached = n
        rows.append([cells[0], str(reached), *cells[1:]])
        curves = {
            name: mean_line([cell.steps() if origin is None else cell.line(origin) for cell in several],
                            (FORGET, "level"), (TEST, "level"))
            for name, origin in WAYS.items()
        }  # fmt: skip
        figures.append(Figure(
            f"ways-{slug(method)}-{slug(size)}",
            trajectories(curves, f"{method}, {size}", "forget level", "retain level, test half"),
            f"{method}, {size}: what is forgotten (left is more) and kept, by steps and by α; means over seeds.",
        ))  # fmt: skip
    head = ["Method, model", "Seeds", "Related, α against steps", "p", "Statement, α against steps", "p",
            "Retained, α against steps", "p"]  # fmt: skip
    said = (
        "Further steps of the same training are read where the forget rows are as unlikely as at α = 0.5 from the "
        "early checkpoint; seeds whose training never gets that far are left out. p: paired t, uncorrected."
    )
    return Section(
        "Against other ways to go on", [said], [Table(head, rows), moved_table(found)], [f for f in figures if f.drawn]
    )


def _motivated(results: Sequence[Mapping[str, Any]]) -> Section:
    conditions = list(results[0]["conditions"])
    curves, rows = {}, []
    for name in conditions:
        runs = [r["conditions"][name] for r in results]
        measures = [[point["measures"] for point in run["trajectory"]] for run in runs]
        curves[name] = mean_line(measures, (FORGET, "level"), (TEST, "level"))
        last, first = [each[-1] for each in measures], [each[0] for each in measures]
        rows.append([
            name, str(len(runs)), *(spread([m[FORGET]["level"] for m in each]) for each in (first, last)),
            spread([m[STATEMENT]["level"] for m in last]), spread([m[TEST]["level"] for m in last]),
            spread([abs(m[FORGET]["level"] - run["never"][FORGET]["level"]) for m, run in zip(last, runs)]),
        ])  # fmt: skip
    head = ["Taught", "Seeds", "Forget, start", "Forget, end", "Statement, end", "Retained, end",
            "Distance to never-known, end"]  # fmt: skip
    drawn = trajectories(curves, "Gradient ascent on the target", "forget level", "retain level, test half")
    told = "Gradient ascent on the target of models that were taught it with and without what follows from it."
    figure = Figure("motivating", drawn, told)
    said = ["Never-known is here the model before it was taught."]
    names = ("With related facts", "without")
    said += [f"At the end, {each.name}: {each.told(names, each.name)}" for each in motivated(results)]
    return Section("The motivating experiment", said, [Table(head, rows)], [figure] if figure.drawn else [])


def _line(several: Sequence[Cell], origin: str, group: str) -> list[tuple[float, float]]:
    return mean_line([cell.line(origin) for cell in several], (FORGET, "level"), (group, "level"))
