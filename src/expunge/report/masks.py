"""Where masks lie, as pictures side by side: a row a layer, a column a kind of matrix, darker where more is chosen.

The shade is the share of a cell's weights that the mask has, linear from next to nothing to the largest share of all
masks shown; a cell without a chosen weight is empty. `as_markdown` tells the same in tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup

from expunge.record_mask import Cell, Where
from expunge.report.numbers import number, percent, short
from expunge.report.svg import picture, rectangle, text

WIDTH, LEFT, COLUMN, GAP = 896.0, 32.0, 22.0, 16.0
TITLE, LABELS = 14.0, 50.0  # heights: of the title, of the kinds' names
TALL, LOW, TALLEST = 19.0, 3.5, 300.0  # of a row at most and at least; what many rows should not exceed
OUTSIDE, PLACE = 22.0, 17.0  # heights: of the words above the places outside the blocks, of each place
NARROW, LEGEND, LETTER = 144.0, 490.0, 6.3  # widths: that words need below a panel, of the legend, of a letter


def mask_pictures(masks: Mapping[str, Where]) -> Markup:
    """Title → mask, several beside one another; "" where there is none."""
    if not masks:
        return Markup("")
    largest = max(cell.share or 0.0 for found in masks.values() for cell in _cells(found)) or 1.0
    across = LEFT + max(NARROW, *(COLUMN * len(found.kinds) for found in masks.values())) + GAP
    columns = max(1, int((WIDTH + GAP) // across))
    down = max(_height(found) for found in masks.values()) + GAP
    parts: list[Markup] = []
    for i, (title, found) in enumerate(masks.items()):
        parts += _panel(title, found, across * (i % columns), down * (i // columns), across - GAP, largest)
    bottom = down * -(-len(masks) // columns)
    parts.append(_legend(LEFT, bottom, largest))
    told = "; ".join(f"{title}: {_told(found)}" for title, found in masks.items())
    width = max(across * min(columns, len(masks)) - GAP, LEFT + LEGEND)
    return picture(width, bottom + 14, "Where the masks lie" if len(masks) > 1 else "Where the mask lies", told, parts)


def as_markdown(
    masks: Mapping[str, Where],
    inline: Callable[[str], str],
    table: Callable[[Sequence[str], Iterable[Sequence[str]]], str],
) -> Iterable[str]:
    """Of each mask a table of its layers and one of what lies outside of them."""
    for title, found in masks.items():
        yield f"**{inline(title)}**: {inline(_told(found))}"
        rows = [[str(i), *map(_share, row), number(sum(c.chosen for c in row))] for i, row in enumerate(found.layers)]
        whole = [found.kind(kind) for kind in found.kinds]
        rows.append(["all", *map(_share, whole), number(sum(cell.chosen for cell in whole))])
        yield table(["Layer", *found.kinds, "Chosen weights"], rows)
        places = [[name, _share(cell), number(cell.chosen)] for name, cell in found.outside.items()]
        yield table(["Outside the blocks", "Share", "Chosen weights"], places)


def _panel(title: str, found: Where, x: float, y: float, width: float, largest: float) -> Iterable[Markup]:
    yield text(x, y + 11, short(title, int(width / LETTER)))
    left, top, row = x + LEFT, y + TITLE + LABELS, _row(found)
    yield text(left - 5, top - 8, "layer", "end", "tick")
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 1000) if n * row >= 13 or n == 1000)
    for layer in range(0, len(found.layers), every):
        yield text(left - 5, top + row * (layer + 0.5) + 4, str(layer), "end", "tick")
    for column, kind in enumerate(found.kinds):
        at = left + COLUMN * column
        yield text(at + COLUMN / 2 + 4, top - 5, kind, "start", "label", turned=True)
        yield rectangle(at, top, COLUMN - 1.5, row * len(found.layers), "none", kind="cell")
        for layer, cells in enumerate(found.layers):
            if cells[column].chosen:
                place = f"layer {layer}, {kind}"
                yield _filled(at, top + row * layer, row, cells[column], place, largest)
    top += row * len(found.layers)
    yield text(left, top + OUTSIDE - 6, "outside the blocks", "start", "tick")
    for i, (name, cell) in enumerate(found.outside.items()):
        at = top + OUTSIDE + PLACE * i
        yield rectangle(left, at, COLUMN - 1.5, PLACE - 2, "none", kind="cell")
        if cell.chosen:
            yield _filled(left, at, PLACE - 1.5, cell, name, largest)
        yield text(left + COLUMN + 4, at + 11.5, name, "start", "label")


def _filled(x: float, y: float, row: float, cell: Cell, place: str, largest: float) -> Markup:
    tip = f"{place}: {_share(cell)} ({number(cell.chosen)} of {number(cell.weights)} weights)"
    gap = 0.5 if row > 6 else 0.0
    shade = 0.12 + 0.88 * (cell.share or 0.0) / largest
    return rectangle(x, y, COLUMN - 1.5, row - gap, "var(--heat)", shade, tip)


def _legend(left: float, y: float, largest: float) -> Markup:
    shades = [0.0, *(0.12 + 0.88 * i / 6 for i in range(7))]
    steps = [rectangle(left + 18 * i, y, 18, 10, "var(--heat)", shade, kind="cell") for i, shade in enumerate(shades)]
    words = f"chosen share of the weights: none, then up to {percent(largest)}"
    return Markup("").join([*steps, text(left + 18 * 8 + 8, y + 9, words, "start", "tick")])


def _row(found: Where) -> float:
    return max(LOW, min(TALL, TALLEST / max(1, len(found.layers))))


def _height(found: Where) -> float:
    return TITLE + LABELS + _row(found) * len(found.layers) + OUTSIDE + PLACE * len(found.outside)


def _cells(found: Where) -> Iterable[Cell]:
    yield from (cell for row in found.layers for cell in row)
    yield from found.outside.values()


def _told(found: Where) -> str:
    whole = found.total
    said = f"{number(whole.chosen)} of {number(whole.weights)} weights ({_share(whole)})"
    kinds = {kind: found.kind(kind) for kind in found.kinds} | dict(found.outside)
    parts = [f"{name} {_share(cell)}" for name, cell in kinds.items() if cell.chosen]
    return f"{said}: {', '.join(parts)}" if parts else said


def _share(cell: Cell) -> str:
    return "–" if cell.share is None else percent(cell.share)
