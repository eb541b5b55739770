"""The results as tables, one a set: a row for each metric, a cell for each model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record import Measured, Record
from expunge.report.numbers import interval, measured
from expunge.report.strip import strip
from expunge.report.view import Group, set_title

GOALS = {
    "forget": "must go: the goal is the level of a model that never knew, not the lowest possible",
    "test": "must stay, and was never trained on: the honest test of what was kept",
    "retain": "must stay, and was trained on to stay",
    "train": "what was taught: the goal is to know it",
    "holdout": "like the forget set, but never trained on: a control",
    "twins": "like the forget set, but never seen by any model: the never-known level",
}
DIRECTIONS = {
    "higher": "higher: knows more",
    "lower": "lower: knows more",
    "reference": "only nearness to a model that never knew counts",
}
ARROWS = {"higher": "↑", "lower": "↓", "reference": "≈"}


@dataclass(frozen=True)
class Cell:
    """One number; empty where this model was not measured."""

    value: str = ""
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class MetricRow:
    metric: str
    title: str
    arrow: str  # the direction of a model that knows the set
    cells: tuple[Cell, ...]
    strip: Markup


@dataclass(frozen=True)
class SetTable:
    name: str
    title: str
    role: str
    goal: str
    n: int
    note: str
    rows: tuple[MetricRow, ...]


def title_of(group: Group, metric: str) -> str:
    return metric_title(group.records, metric)


def metric_title(records: Sequence[Record], metric: str) -> str:
    """From the records' glossary, else the name in words."""
    for record in records:
        if metric in record.glossary:
            return record.glossary[metric].title
    return metric.replace("_", " ").capitalize()


def set_tables(group: Group) -> list[SetTable]:
    """Sets in the order forget, test, retain, controls; sets that no model was measured on are left out."""
    return [
        SetTable(
            name, set_title(name, info), info.role, GOALS[info.role], info.n, info.note,
            tuple(_row(group, name, metric) for metric in group.metrics(name)),
        )
        for name, info in group.sets.items()
        if group.metrics(name)
    ]  # fmt: skip


def _row(group: Group, name: str, metric: str) -> MetricRow:
    found = [column.metric(name, metric) for column in group.columns]
    title = title_of(group, metric)
    better = next(m.better for m in found if m)
    values = [(c.label, c.colour, m) for c, m in zip(group.columns, found) if m]
    picture = strip(f"{title} on {name}", values, _never_known(group, name, metric))
    return MetricRow(metric, title, ARROWS[better], tuple(map(_cell, found)), picture)


def _never_known(group: Group, name: str, metric: str) -> float | None:
    """On the forget sets, in the measure that the selection used."""
    chosen = [c.outcome.selection for c in group.after if c.outcome and c.outcome.selection]
    fitting = [s.never_known for s in chosen if s.measure == metric and s.never_known is not None]
    return fitting[0] if fitting and group.sets[name].role == "forget" else None


def _cell(m: Measured | None) -> Cell:
    return Cell(measured(m), interval(m), m.note) if m else Cell()


def readings(group: Group) -> list[tuple[str, str, str]]:
    """How to read each metric that occurs: title, direction in words, and how it misleads."""
    found: dict[str, tuple[str, str, str]] = {}
    for name in group.sets:
        for metric in group.metrics(name):
            better = next(m.better for c in group.columns if (m := c.metric(name, metric)))
            reads = next((r.glossary[metric].reads for r in group.records if metric in r.glossary), "")
            found.setdefault(metric, (title_of(group, metric), DIRECTIONS[better], reads))
    return list(found.values())
