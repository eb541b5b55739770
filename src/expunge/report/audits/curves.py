"""Curves: how the mean score runs over what an attack varied (samples, layers, steps), a line for each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from markupsafe import Markup

from expunge.record_audit import Cell
from expunge.report.audits.bars import CONTROL, ORIGINAL, UNLEARNED
from expunge.report.audits.status import tile
from expunge.report.audits.view import OWN, Audited, control_word
from expunge.report.numbers import number, tick
from expunge.report.svg import Scale, colour, line, mark, path, picture, text

WIDTH, HEIGHT = 310.0, 180.0
LEFT, RIGHT, TOP, BOTTOM = 32.0, 76.0, 12.0, 36.0
LABEL = 13.0  # height of one
VARIED = {"sampling": "samples", "representation": "layer", "relearning": "steps of training"}
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    tile: Markup
    title: str
    drawn: Markup


def curves(audited: Audited) -> list[Curves]:
    """Of the cells that have some."""
    word = control_word(audited.audit)
    shown = [cell for cell in audited.audit.cells if any(len(curve) > 1 for curve in cell.curves.values())]
    return [Curves(tile(c.status, c.status), audited.title(c), drawing(c, audited.title(c), word)) for c in shown]


def varied(cell: Cell) -> str:
    """What runs along the axis."""
    return VARIED.get(cell.family, "what was varied")


def drawing(cell: Cell, title: str, never: str) -> Markup:
    there = {label: curve for label, curve in cell.curves.items() if curve}
    x = _across(cell, there.values())
    y = Scale.around([v for curve in there.values() for _, v in curve], HEIGHT - BOTTOM, TOP, 0)
    seeds = {label: curve for label, curve in there.items() if label not in OWN}
    lines = [
        ("original", ORIGINAL, there.get("original", ())), (never, CONTROL, mean(list(seeds.values()))),
        ("unlearned", UNLEARNED, there.get("unlearned", ())),
    ]  # fmt: skip
    parts = _frame(cell, x, y)
    for curve in seeds.values() if len(seeds) > 1 else ():
        parts.append(path([(x(a), y(v)) for a, v in curve], "seed", colour(CONTROL)))
    for label, model, curve in lines:
        if curve:
            parts.append(path([(x(a), y(v)) for a, v in curve], "series", colour(model)))
            last = curve[-1]
            tip = f"{label}, {tick(last[0])}: {number(last[1])}"
            parts.append(mark(x(last[0]), y(last[1]), model, tip, hollow=model == ORIGINAL))
    parts += _labels([(label, model, y(curve[-1][1])) for label, model, curve in lines if curve])
    told = "; ".join(
        f"{label}: from {number(c[0][1])} at {tick(c[0][0])} to {number(c[-1][1])} at {tick(c[-1][0])}"
        for label, c in there.items()
    )
    return picture(WIDTH, HEIGHT, f"{title} over {varied(cell)}", told, parts)


def mean(some: Sequence[Curve]) -> Curve:
    """The mean of curves over the places that all have.

    >>> mean([[(1, 0.0), (2, 0.5)], [(1, 0.5), (3, 1.0)]])
    [(1, 0.25)]
    """
    tables = [dict(curve) for curve in some]
    shared = [at for at, _ in (some[0] if some else ()) if all(at in table for table in tables)]
    return [(at, sum(table[at] for table in tables) / len(tables)) for at in shared]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The same places, moved apart until none is nearer than `gap` to the next, inside of low and high.

    >>> spread([50, 52, 10], 13, 0, 100)
    [44.5, 57.5, 10.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups: list[list[float]] = []  # of sorted neighbours: their number, the sum of their wishes
    for i in order:
        groups.append([1, places[i]])
        while len(groups) > 1 and _start(groups[-1], gap, low, high) < _end(groups[-2], gap, low, high):
            last = groups.pop()
            groups[-1] = [groups[-1][0] + last[0], groups[-1][1] + last[1]]
    found = [_start(group, gap, low, high) + gap * (k + 0.5) for group in groups for k in range(int(group[0]))]
    return [found[order.index(i)] for i in range(len(places))]


def _start(group: list[float], gap: float, low: float, high: float) -> float:
    length = group[0] * gap
    return max(low - gap / 2, min(group[1] / group[0] - length / 2, high + gap / 2 - length))


def _end(group: list[float], gap: float, low: float, high: float) -> float:
    return _start(group, gap, low, high) + group[0] * gap


def _labels(ends: Sequence[tuple[str, int, float]]) -> Iterable[Markup]:
    """At the ends of the lines, beside their marks."""
    places = spread([y for *_, y in ends], LABEL, TOP, HEIGHT - BOTTOM)
    for (label, model, _), y in zip(ends, places):
        words = label if len(label) <= 11 else label.split()[-1]
        yield text(WIDTH - RIGHT + 9, y + 4, words, "start", f"end m{model}")


class _Logarithmic(Scale):
    """For what was doubled."""

    def __call__(self, value: float) -> float:
        return super().__call__(log2(value))

    def ticks(self) -> list[float]:
        powers = range(round(self.low), round(self.high) + 1)
        return [2.0**p for p in powers[:: max(1, len(powers) // 4)]]


def _across(cell: Cell, some: Iterable[Curve]) -> Scale:
    places = sorted({at for curve in some for at, _ in curve})
    low, high = places[0], places[-1]
    if low > 0 and high / low >= 16 and cell.family == "sampling":
        return _Logarithmic(log2(low), log2(high), LEFT, WIDTH - RIGHT)
    return Scale(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT)


def _frame(cell: Cell, x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for at in y.ticks():
        parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), "grid"))
        parts.append(text(LEFT - 6, y(at) + 3.5, tick(at), "end", "tick"))
    parts += [text(x(at), HEIGHT - BOTTOM + 14, tick(at), "middle", "tick") for at in x.ticks()]
    parts.append(line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    return [*parts, text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, varied(cell), "middle", "label")]
