"""The page of a bench: leaderboard, picture, what was tuned, every cell. It sees rows, never a model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from expunge.bench.choosing import chosen
from expunge.bench.leaderboard import HEAD, STRICT, Standing, caption, dates, lines, standings
from expunge.bench.pareto import dots, pareto
from expunge.bench.spaces import OPTION, space_of
from expunge.bench.table import Row
from expunge.config import BenchConfig
from expunge.record import Record
from expunge.report.numbers import duration, number, percent
from expunge.report.page import environment, style

CELLS = ("cell", "settings", "status", "forget level", "never known", "utility", "passed", "rate", "utility kept",
         "worst cell", "training", "audit")  # fmt: skip


@dataclass(frozen=True)
class Tuned:
    """What was searched of one contender, and what its trials gave."""

    contender: str
    ranges: str
    trials: tuple[tuple[str, str, str, str, bool], ...]  # setting, status, forget level, utility, chosen


def to_html(rows: Sequence[Row], config: BenchConfig, record: Record) -> str:
    """The whole page; the same text for the same rows."""
    floor = config.train.utility_floor
    suites = [_suite(suite, found, rows, config) for suite, found in standings(rows, floor).items()]
    return environment("expunge.bench").get_template("bench.html").render(
        title="Which method forgets, and what it costs", style=style("style.css"), suites=suites, record=record,
        config=config,
        dates=dates(rows), head=HEAD, cells_head=CELLS, floor=percent(floor), strict=percent(STRICT),
        settings=json.dumps(record.configuration, indent=1, ensure_ascii=False),
        version=record.versions.get("expunge", ""),
    )  # fmt: skip


def _suite(suite: str, found: Sequence[Standing], rows: Sequence[Row], config: BenchConfig) -> dict[str, Any]:
    own, floor = [row for row in rows if row.suite == suite], config.train.utility_floor
    strict = [s for s in found if s.utility_kept and s.utility_kept.mean >= STRICT]
    placed, quality = dots(found)
    return {
        "name": suite, "models": config.models[suite], "caption": caption(found, floor), "lines": lines(found),
        "strict": lines(strict), "picture": pareto(found, floor), "quality": quality,
        "legend": [f"{dot.number} {dot.label}" for dot in placed], "tuned": list(tuned(own, config)),
        "cells": [_cell(row) for row in own], "drawn": bool(pareto(found, floor) != Markup("")),
    }  # fmt: skip


def tuned(rows: Sequence[Row], config: BenchConfig) -> Iterator[Tuned]:
    """Each contender's trials."""
    for contender in dict.fromkeys(row.contender for row in rows):
        trials = [row for row in rows if row.contender == contender and row.role == "tuning"]
        best = chosen(trials, config.train.utility_floor)
        bounds = space_of(contender.method, config.search).bounds
        ranges = ", ".join(
            f"{name.removeprefix(OPTION)} {low:.3g} to {high:.3g}" for name, (low, high) in bounds.items()
        )
        shown = tuple(
            (setting(row), row.status, number(row.forget), "–" if row.utility is None else percent(row.utility),
             row.number == best)
            for row in trials
        )  # fmt: skip
        yield Tuned(contender.label, ranges or "nothing", shown)


def setting(row: Row) -> str:
    """In one line: learning_rate 0.001, retain_weight 3, beta 0.2."""
    if row.settings is None:
        return "–"
    values = json.loads(row.settings)
    flat = {**{name: value for name, value in values.items() if name != "options"}, **values["options"]}
    return ", ".join(f"{name} {value}" for name, value in flat.items()) or "defaults"


def _cell(row: Row) -> list[str]:
    name = f"{row.contender.label}, {'trial' if row.role == 'tuning' else 'seed'} {row.number}"
    return [
        name, setting(row), row.reason or row.status, number(row.forget), number(row.never_known),
        "–" if row.utility is None else percent(row.utility),
        "–" if row.passed is None else f"{row.passed} of {row.informative}", number(row.rate),
        "–" if row.utility_kept is None else percent(row.utility_kept), row.worst or "–",
        "–" if row.seconds_training is None else duration(row.seconds_training),
        "–" if row.seconds_audit is None else duration(row.seconds_audit),
    ]  # fmt: skip
