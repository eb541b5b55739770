"""R of everything with everything as a picture: a row and a column each, sorted by set and group.

Blue is above 0, orange below; the shade is the size, linear up to the largest that is shown. The diagonal is left out.
"""

from collections.abc import Iterable, Sequence
from math import isfinite

from markupsafe import Markup

from expunge.report.numbers import number, short
from expunge.report.relations.view import LABEL, Block, Relations, blocks_of, mean_between
from expunge.report.svg import line, picture, rectangle, text

WIDTH, LEFT, TOP, GAP = 896.0, 190.0, 34.0, 3.0
SMALL, LARGE = 7.0, 24.0  # sides of a cell
LETTER = 6.3  # width of a letter


def heat_map(shown: Relations) -> Markup:
    """ "" where there is nothing to compare."""
    blocks = blocks_of(shown)
    if len(blocks) < 2:
        return Markup("")
    values = [[mean_between(shown, a.places, b.places) for b in blocks] for a in blocks]
    largest = max((abs(v) for row in values for v in row if isfinite(v)), default=0.0) or 1.0
    starts = [i for i, block in enumerate(blocks) if i == 0 or blocks[i - 1].set != block.set]
    gaps = GAP * (len(starts) - 1)
    side = max(SMALL, min(LARGE, (WIDTH - LEFT - gaps) / len(blocks)))
    at = [side * i + GAP * sum(start <= i for start in starts[1:]) for i in range(len(blocks))]
    parts = [*_sets(shown, blocks, starts, at, side)]
    for i, block in enumerate(blocks):
        if side >= 10 or i % 2 == 0:
            parts.append(text(LEFT - 5, TOP + at[i] + side / 2 + 4, short(block.label, LABEL), "end", "label"))
        parts += _row(blocks, i, values[i], at, side, largest)
    end = at[-1] + side
    parts += _legend(LEFT, TOP + end + 14, largest)
    told = f"{len(blocks)} rows and columns, R from {number(-largest)} to {number(largest)}"
    return picture(max(LEFT + end, LEFT + 330), TOP + end + 28, "How related each is to each", told, parts)


def together(shown: Relations) -> str:
    """Whether a row stands for several, in words; "" where each stands for itself."""
    blocks = blocks_of(shown)
    if len(blocks) == len(shown.rows):
        return ""
    groups = all(len({shown.rows[i].group for i in block.places}) == 1 for block in blocks)
    what = "a group" if groups else "neighbouring groups"
    return f"{len(shown.rows)} rows are too many for a picture: each here is {what}, and a cell the mean of its pairs."


def _row(
    blocks: Sequence[Block], i: int, values: Sequence[float], at: Sequence[float], side: float, largest: float
) -> Iterable[Markup]:
    for j, value in enumerate(values):
        if not isfinite(value):
            yield rectangle(LEFT + at[j], TOP + at[i], side - 0.6, side - 0.6, "none", kind="cell")
            continue
        tip = f"{blocks[i].label} × {blocks[j].label}: R {number(value)}"
        yield rectangle(LEFT + at[j], TOP + at[i], side - 0.6, side - 0.6, fill(value), shade(value, largest), tip)


def fill(value: float) -> str:
    return "var(--heat)" if value >= 0 else "var(--m2)"


def shade(value: float, largest: float) -> float:
    return 0.03 + 0.97 * min(1.0, abs(value) / largest)


def _sets(
    shown: Relations, blocks: Sequence[Block], starts: Sequence[int], at: Sequence[float], side: float
) -> Iterable[Markup]:
    """Names and lines above the columns of each set."""
    for start, stop in zip(starts, [*starts[1:], len(blocks)]):
        left, right = LEFT + at[start], LEFT + at[stop - 1] + side
        yield line(left, TOP - 8, right - 1, TOP - 8, "axis")
        room = int((right - left) / LETTER)
        name = shown.titles[blocks[start].set]
        yield text(left, TOP - 13, short(name, max(room, 4)), "start", "label")


def _legend(left: float, y: float, largest: float) -> Iterable[Markup]:
    steps = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
    for i, step in enumerate(steps):
        yield rectangle(left + 18 * i, y, 18, 10, fill(step), shade(step, 1.0), kind="cell")
    words = f"R from {number(-largest)} over 0 to {number(largest)}"
    yield text(left + 18 * len(steps) + 8, y + 9, words, "start", "tick")
