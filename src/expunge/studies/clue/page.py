"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.config import ClueStudyConfig
from expunge.studies import Published
from expunge.studies.clue.arms import ALL, CLUE, NO_FIRST, RANDOM, UNION
from expunge.studies.clue.circuit_tables import classes_table, moved_table, off_table, patched_table, retained_table
from expunge.studies.clue.comparing import (
    FURTHER,
    TESTED,
    Comparison,
    Found,
    Shares,
    compared,
    load,
    load_shares,
)
from expunge.studies.clue.plan import (
    checks_place,
    chosen_rates,
    circuits_place,
    model_place,
    pilot_losses,
    survey_place,
)
from expunge.studies.clue.tables import (
    BEFORE,
    compared_table,
    end_table,
    exact_table,
    further_table,
    main_table,
    pilot_table,
    ratio_table,
)
from expunge.studies.clue.wording import (
    ASKED,
    CLAIM,
    MOVED,
    READING,
    SHARES,
    SWITCHED,
    ablation,
    checked,
    descriptive,
    headline,
    how,
    limits,
    taught,
)
from expunge.studies.page import Figure, Section, published
from expunge.studies.pictures import Difference, differences, roc, trajectories
from expunge.studies.results import read_result

TITLE = "Do circuits and logic choose what to train?"
SHOWN = ("distance", "RU")  # with all that belongs to a test
DRAWN = (CLUE, UNION, NO_FIRST, RANDOM, ALL)  # in the pictures of trajectories
Compared = Mapping[str, Sequence[Comparison]]


def publish(config: ClueStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    found = load(config, out)
    several = {metric: compared(found, config, metric) for metric in (*TESTED, *FURTHER)}
    shares = load_shares(config, out)
    there = {granularity: _checks(config, out, granularity) for granularity in config.granularities}
    said = (*headline(config, found, several), *checked(there))
    sections = list(_sections(config, out, found, several, shares, there, said))
    seeds = max((len(each.seeds) for each in found), default=0)
    under = f"expunge study clue · {config.suite} · {seeds} seeds"
    numbers = {
        "rates": chosen_rates(config, out),
        "pilot": [
            {"objective": key[0], "arm": key[1], "losses": each} for key, each in pilot_losses(config, out).items()
        ],
        "comparisons": [_plain(each) for one in several.values() for each in one],
        "cells": [
            {"granularity": f.granularity, "objective": f.objective, "before": f.before, "seeds": f.seeds}
            for f in found
        ],
        "shares": {f"{ratio:g}": each for ratio, each in shares.items() if ratio < 1},
        "models": _models(config, out),
        "checks": there,
        "survey": _survey(config, out),
    }
    return published(TITLE, under, sections, numbers, said)


def _sections(
    config: ClueStudyConfig, out: Path, found: Sequence[Found], several: Compared, shares: Shares,
    there: Mapping[str, list[dict[str, Any]]], said: Sequence[str],
) -> Iterator[Section]:  # fmt: skip
    yield Section("The claims, and what we found", [CLAIM, *said, READING])
    rates, tried = chosen_rates(config, out), pilot_losses(config, out)
    pilot = [pilot_table(tried, rates, config.rates)] if tried else []
    yield Section("How it was run", [*how(config, rates), *taught(_models(config, out))], pilot)
    for granularity in dict.fromkeys(each.granularity for each in found):
        here = [each for each in found if each.granularity == granularity]
        own = {metric: [c for c in some if c.granularity == granularity] for metric, some in several.items()}
        yield _unlearning(config, granularity, here, own)
    if any(ratio < 1 for ratio in shares):
        told = f"{SHARES} Objective: {config.objectives[0]}, nodes are {config.granularities[0]}."
        yield Section("How much is to be forgotten", [told], [ratio_table(shares)])
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
    yield Section("What this scale cannot say", limits(config, found, several["distance"]))


def _unlearning(config: ClueStudyConfig, granularity: str, found: Sequence[Found], several: Compared) -> Section:
    tables = [main_table(found), end_table(found), further_table(found)]
    if any(several.values()) and not descriptive(config):
        tables += [compared_table(several), compared_table(several, FURTHER)]
        tables += [exact_table(several[metric], metric) for metric in SHOWN]
    figures = [
        *(each for one in found for each in (_trajectory(one), _roc(one))),
        _distances(granularity, several["distance"], config.margin),
    ]
    return Section(
        f"Unlearning, nodes are {granularity}", [*ablation(found), ASKED], tables,
        [each for each in figures if each.drawn],
    )  # fmt: skip


def _trajectory(one: Found) -> Figure:
    curves = {arm: curve for arm in DRAWN if (curve := one.curve(arm))}  # without those that had nothing to train
    return Figure(
        f"{slug(one.granularity)}-{slug(one.objective)}",
        trajectories(curves, f"{one.granularity}, {one.objective}", "RU (kept)", "FE (forgotten)"),
        f"{one.granularity}, {one.objective}: up is forgotten, right is kept; a point an epoch, means over seeds.",
    )


def _roc(one: Found) -> Figure:
    curves = {BEFORE: one.roc_before(), **{arm: one.roc(arm) for arm in DRAWN}}
    return Figure(
        f"{slug(one.granularity)}-{slug(one.objective)}-roc",
        roc({name: curve for name, curve in curves.items() if curve}, f"ROC, {one.granularity}, {one.objective}"),
        f"{one.granularity}, {one.objective}: forget rows against rows that were never seen, by their loss, before and "
        "at the kept point; true positives at each share of false ones, means over seeds. The diagonal is never-known.",
    )


def _distances(granularity: str, several: Sequence[Comparison], margin: float) -> Figure:
    dots = [Difference(f"{c.objective}: {c.arm}", c.found.difference, c.found.interval, c.values) for c in several]
    return Figure(
        f"{slug(granularity)}-distance",
        differences(dots, margin, f"CLUE against other arms, {granularity}", "CLUE's distance minus the other's"),
        f"{granularity}: CLUE's distance to never-known minus that of each arm, left is better for CLUE: mean with its "
        "95 % interval; dots are seeds, the band counts as equivalent.",
    )


def _models(config: ClueStudyConfig, out: Path) -> list[dict[str, Any]]:
    """What the world's models knew before and after they were taught the skill."""
    return [each for each in _results([out / model_place(seed) for seed in range(config.seeds)]) if "after" in each]


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
