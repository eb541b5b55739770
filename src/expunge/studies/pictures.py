"""Pictures of studies: trajectories, ROC curves, and differences with their intervals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from expunge.report.numbers import number, signed, tick
from expunge.report.svg import Scale, colour, dot, line, mark, path, picture, rectangle, text
from expunge.report.trajectory import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame

ROW, NAMES = 20.0, 190.0  # of the picture of differences: a row's height, the names' width

Curve = Sequence[tuple[float, float]]


def trajectories(curves: Mapping[str, Curve], title: str, across: str, up: str) -> Markup:
    """A line a condition, through its points in their order; the hollow sign is the start, a legend says who is who."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return Markup("")
    x = Scale.around([a for a, _ in points], LEFT, WIDTH - RIGHT)
    y = Scale.around([b for _, b in points], HEIGHT - BOTTOM, TOP)
    parts = frame(x, y, across, up)
    for i, (label, curve) in enumerate(curves.items(), start=1):
        parts.append(path([(x(a), y(b)) for a, b in curve], "series", colour(i)))
        for j, (a, b) in enumerate(curve):
            tip = f"{label}: {across} {number(a)}, {up} {number(b)}"
            parts.append(mark(x(a), y(b), i, tip, hollow=j == 0, radius=3.2))
    told = "; ".join(f"{label}: from {_place(curve[0])} to {_place(curve[-1])}" for label, curve in curves.items())
    return picture(WIDTH, _below(curves), title, told, [*parts, *_legend(curves)])


def roc(curves: Mapping[str, Curve], title: str) -> Markup:
    """A line a condition, from (0, 0) to (1, 1): true positives over false ones. The diagonal tells nothing apart."""
    if not curves:
        return Markup("")
    x, y = Scale(0, 1, LEFT, WIDTH - RIGHT), Scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts = [*frame(x, y, "false positives", "true positives"), line(x(0), y(0), x(1), y(1), "never")]
    for i, (label, curve) in enumerate(curves.items(), start=1):
        parts.append(path([(x(a), y(b)) for a, b in curve], "series", colour(i)))
        a, b = curve[len(curve) // 4]
        tip = f"{label}: {number(b)} true positives at {number(a)} false ones"
        parts.append(mark(x(a), y(b), i, tip, radius=3.2))
    told = "; ".join(f"{label}: area {number(_area(curve))}" for label, curve in curves.items())
    return picture(WIDTH, _below(curves), title, told, [*parts, *_legend(curves)])


def _area(curve: Curve) -> float:
    """Under the straight lines between the points."""
    return sum((x - a) * (y + b) / 2 for (a, b), (x, y) in pairwise(curve))


def _legend(labels: Collection[str]) -> list[Markup]:
    """Who is who, two a line, below a picture."""
    parts, down = [], HEIGHT + 12.0
    for i, label in enumerate(labels, start=1):
        left = LEFT + 190 * ((i - 1) % 2)
        parts += [mark(left, down - 4, i, radius=3.2), text(left + 10, down, label, "start", "tick")]
        down += 16 * (i % 2 == 0)
    return parts


def _below(labels: Collection[str]) -> float:
    """The height with the legend."""
    return HEIGHT + 16 * -(-len(labels) // 2) + 8


@dataclass(frozen=True)
class Difference:
    """One comparison."""

    label: str
    value: float
    interval: tuple[float, float] | None
    values: tuple[float, ...] = ()  # of each seed


def differences(found: Sequence[Difference], margin: float, title: str, unit: str) -> Markup:
    """A row a comparison: the mean with its interval, each seed's value as a dot, the band of equivalence behind."""
    if not found:
        return Markup("")
    ends = [v for each in found for v in (*(each.interval or ()), *each.values, each.value)]
    x = Scale.around([*ends, -margin, margin], NAMES, WIDTH + 100 - RIGHT)
    height = TOP + ROW * len(found)
    parts = [rectangle(x(-margin), TOP, x(margin) - x(-margin), height - TOP, "var(--heat)", 0.1)]
    for at in x.ticks():
        parts.append(line(x(at), TOP, x(at), height, "grid"))
        parts.append(text(x(at), height + 14, tick(at), "middle", "tick"))
    parts.append(line(x(0), TOP, x(0), height, "axis"))
    for i, each in enumerate(found):
        y = TOP + ROW * (i + 0.5)
        parts.append(text(0, y + 4, each.label, "start"))
        parts += [dot(x(v), y + 5, "var(--bar)", signed(v)) for v in each.values]
        if each.interval:
            parts.append(line(x(each.interval[0]), y - 2, x(each.interval[1]), y - 2, "whisker", colour(1)))
        parts.append(mark(x(each.value), y - 2, 1, f"{each.label}: {signed(each.value)}", radius=3.5))
    parts.append(text((NAMES + WIDTH + 100) / 2, height + 32, unit, "middle", "label"))
    told = "; ".join(f"{each.label} {signed(each.value)}" for each in found)
    return picture(WIDTH + 100, height + 38, title, told, parts)


def _place(point: tuple[float, float]) -> str:
    return f"({number(point[0])}, {number(point[1])})"
