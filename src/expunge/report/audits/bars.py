"""Attack by attack: what original, control and unlearned model know, as three bars on one axis from 0 to 1.

The band is control ± δ · gap, where a model counts as one that never knew. The whisker on the control spans the
retrained models; the one on the unlearned model spans control + the bounds of its excess.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record_audit import Cell
from expunge.report.audits.status import named, tile
from expunge.report.audits.view import Audited, band, control, controls, why_uninformative
from expunge.report.numbers import number, signed, tick
from expunge.report.svg import Scale, colour, line, mark, picture, rectangle, text

WIDTH, BAR, STEP, EDGE = 460.0, 6.0, 10.0, 8.0
HEIGHT = 3 * STEP + 4
ORIGINAL, UNLEARNED, CONTROL = 0, 1, 3  # colours and marks, the same in every picture of an audit
SCALE = Scale(0, 1, EDGE, WIDTH - EDGE)


@dataclass(frozen=True)
class Bar:
    """One cell: its tile, its name, its picture, and what came out in words."""

    tile: Markup
    title: str
    status: str
    drawn: Markup
    said: str
    counts: bool  # uninformative cells are greyed


def bars(audited: Audited) -> list[tuple[str, list[Bar]]]:
    """Family → its cells."""
    return [(family, [_bar(audited, cell) for cell in cells]) for family, cells in audited.families.items() if cells]


def axis() -> Markup:
    """Above the bars of a family."""
    parts = [text(SCALE(x), 11, tick(x), "middle", "tick") for x in (0, 0.25, 0.5, 0.75, 1)]
    return picture(WIDTH, 14, "Knowledge, from 0 to 1", "", parts)


def _bar(audited: Audited, cell: Cell) -> Bar:
    status, title = named(cell.status), audited.title(cell)
    counts = cell.status != "uninformative"
    said = f"{signed(cell.excess)} over the control" if counts else why_uninformative(cell)
    return Bar(tile(cell.status, status), title, status, drawing(cell, title, audited.audit.delta), said, counts)


def drawing(cell: Cell, title: str, delta: float) -> Markup:
    """The picture of one cell. What was not measured has no bar."""
    never, reach = control(cell), band(cell, delta)
    parts = [line(SCALE(x), 0, SCALE(x), HEIGHT, "axis" if x == 0 else "grid") for x in (0, 0.25, 0.5, 0.75, 1)]
    if reach is not None:
        low, high = (SCALE(_inside(x)) for x in reach)
        parts.append(rectangle(low, 0, high - low, HEIGHT, "var(--band)", 0.17))
        parts += [line(x, 0, x, HEIGHT, "edge") for x in (low, high)]
    rows = ((ORIGINAL, cell.k.get("original")), (CONTROL, never), (UNLEARNED, cell.k.get("unlearned")))
    for row, (model, k) in enumerate(rows):
        if k is not None:
            parts += _model(cell, row, model, k, never)
    told = [f"{label} {number(k)}" for label, k in cell.k.items()]
    told += [f"band {number(reach[0])} to {number(reach[1])}"] if reach else []
    return picture(WIDTH, HEIGHT, f"{title}: {cell.status}", "; ".join(told), parts)


def _model(cell: Cell, row: int, model: int, k: float, never: float | None) -> Iterable[Markup]:
    y, end = 2 + STEP * (row + 0.5), SCALE(_inside(k))
    yield rectangle(SCALE(0), y - BAR / 2, end - SCALE(0), BAR, colour(model), 0.45 if model == ORIGINAL else 0.75)
    low, high = _span(cell, model, never)
    if low is not None and high is not None:
        yield line(SCALE(_inside(low)), y, SCALE(_inside(high)), y, "span")
        yield from (line(SCALE(_inside(x)), y - 3, SCALE(_inside(x)), y + 3, "span") for x in (low, high))
    word = {ORIGINAL: "original", CONTROL: "control", UNLEARNED: "unlearned"}[model]
    yield mark(end, y, model, f"{word}: {number(k)}", hollow=model == ORIGINAL, radius=3.6)


def _span(cell: Cell, model: int, never: float | None) -> tuple[float | None, float | None]:
    found = list(controls(cell).values())
    if model == CONTROL and len(found) > 1:
        return min(found), max(found)
    if model == UNLEARNED and never is not None and cell.excess_bounds is not None:
        low, high = cell.excess_bounds
        return (None, None) if low is None or high is None else (never + low, never + high)
    return None, None


def _inside(x: float) -> float:
    return min(max(x, 0.0), 1.0)
