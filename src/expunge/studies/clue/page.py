"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.config import ClueStudyConfig
from expunge.studies import Published
from expunge.studies.clue.arms import ALL, CLUE, NO_FIRST, RANDOM, UNION
from expunge.studies.clue.comparing import TESTED, Comparison, Found, compared, load
from expunge.studies.clue.plan import checks_place, chosen_rates, circuits_place, survey_place
from expunge.studies.clue.tables import (
    classes_table,
    compared_table,
    end_table,
    exact_table,
    main_table,
    moved_table,
    off_table,
    patched_table,
    retained_table,
)
from expunge.studies.clue.wording import CLAIM, MOVED, READING, SWITCHED, ablation, checked, headline, how, limits
from expunge.studies.page import Figure, Section, published
from expunge.studies.pictures import Difference, differences, trajectories
from expunge.studies.running import read_result

TITLE = "Do circuits and logic choose what to train?"
SHOWN = ("distance", "RU")  # with all that belongs to a test
DRAWN = (CLUE, UNION, NO_FIRST, RANDOM, ALL)  # in the pictures of trajectories
Compared = Mapping[str, Sequence[Comparison]]


def publish(config: ClueStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    several = {metric: compared(found, config, metric) for metric in TESTED}
    there = {granularity: _checks(config, out, granularity) for granularity in config.granularities}
    said = (*headline(found, several), *checked(there))
    sections = list(_sections(config, out, found, several, there, said))
    seeds = max((len(each.seeds) for each in found), default=0)
    under = f"expunge study clue · {config.suite} · {seeds} seeds"
    numbers = {
        "rates": chosen_rates(config, out),
        "comparisons": [_plain(each) for one in several.values() for each in one],
        "cells": [{"granularity": f.granularity, "objective": f.objective, "seeds": f.seeds} for f in found],
        "checks": there,
        "survey": _survey(config, out),
    }
    return published(TITLE, under, sections, numbers, said)


def _sections(
    config: ClueStudyConfig, out: Path, found: Sequence[Found], several: Compared,
    there: Mapping[str, list[dict[str, Any]]], said: Sequence[str],
) -> Iterator[Section]:  # fmt: skip
    yield Section("The claims, and what we found", [CLAIM, *said, READING])
    yield Section("How it was run", how(config, chosen_rates(config, out)))
    for granularity in dict.fromkeys(each.granularity for each in found):
        here = [each for each in found if each.granularity == granularity]
        own = {metric: [c for c in some if c.granularity == granularity] for metric, some in several.items()}
        yield _unlearning(granularity, here, own, config.margin)
    for granularity, results in there.items():
        if results:
            mine = [each for each in found if each.granularity == granularity]
            yield Section(f"Do the classes do what the logic says? {granularity}", [SWITCHED], [off_table(results)])
            yield Section(f"Do circuits stay where they are? {granularity}", [MOVED], [moved_table(results, mine)])
    if any(there.values()):
        yield Section("Half-path attribution against exact patching", [], [patched_table(there)])
    circuits = {
        g: _results([out / circuits_place(g, seed) for seed in range(config.seeds)]) for g in config.granularities
    }
    tables = [retained_table(circuits), classes_table(_survey(config, out))]
    yield Section("How large the classes are", [], [table for table in tables if table.rows])
    yield Section("What this scale cannot say", limits(found, several["distance"]))


def _unlearning(granularity: str, found: Sequence[Found], several: Compared, margin: float) -> Section:
    tables = [main_table(found), end_table(found)]
    if any(several.values()):
        tables += [compared_table(several), *(exact_table(several[metric], metric) for metric in SHOWN)]
    figures = [
        Figure(
            f"{slug(granularity)}-{slug(one.objective)}",
            trajectories({arm: one.curve(arm) for arm in DRAWN if arm in one.conditions},
                         f"{granularity}, {one.objective}", "RU (kept)", "FE (forgotten)"),
            f"{granularity}, {one.objective}: up is forgotten, right is kept; a point an epoch, means over seeds.",
        )
        for one in found
    ]  # fmt: skip
    dots = [Difference(f"{c.objective}: {c.arm}", c.found.difference, c.found.interval, c.values)
            for c in several["distance"]]  # fmt: skip
    drawn = differences(dots, margin, f"CLUE against other arms, {granularity}", "CLUE's distance minus the other's")
    figures.append(Figure(
        f"{slug(granularity)}-distance", drawn,
        f"{granularity}: CLUE's distance to never-known minus that of each arm, left is better for CLUE: mean with its "
        "95 % interval; dots are seeds, the band counts as equivalent.",
    ))  # fmt: skip
    return Section(
        f"Unlearning, nodes are {granularity}", ablation(found), tables, [each for each in figures if each.drawn]
    )


def _checks(config: ClueStudyConfig, out: Path, granularity: str) -> list[dict[str, Any]]:
    return _results([out / checks_place(granularity, seed) for seed in range(config.seeds)])


def _survey(config: ClueStudyConfig, out: Path) -> list[dict[str, Any]]:
    return _results([out / survey_place(seed) for seed in range(config.seeds)])


def _results(places: Sequence[Path]) -> list[dict[str, Any]]:
    return [result for place in places if (result := read_result(place)) is not None]


def _plain(each: Comparison) -> dict[str, Any]:
    return {
        "granularity": each.granularity, "objective": each.objective, "arm": each.arm, "metric": each.metric,
        "values": each.values, "finding": each.finding, "holm": each.holm, **asdict(each.found),
    }  # fmt: skip
