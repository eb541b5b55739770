"""The few pieces that pictures are made of. Everything that comes from outside is escaped by `Markup.format`.

Colours are CSS variables of the page (`--m1` … for methods, `--heat`), so that a picture follows its dark
mode.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from expunge.report.numbers import clean

MARKS = ("square", "circle", "triangle", "diamond")  # methods differ in shape too, not in colour alone


def colour(number: int) -> str:
    """Of column `number`: 0 is the starting model, methods count from 1 and repeat after six."""
    return f"var(--m{(number - 1) % 6 + 1 if number else 0})"


def coordinate(value: float) -> str:
    """One decimal: enough for the eye, the same text on every machine."""
    return f"{value:.1f}".removesuffix(".0")


def picture(width: float, height: float, title: str, description: str, parts: Iterable[Markup]) -> Markup:
    """A whole SVG, which screen readers announce by its title and description."""
    w, h = coordinate(width), coordinate(height)
    return Markup(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(w, h, w, h, clean(title), clean(description), Markup("").join(parts))


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "", turned: bool = False) -> Markup:
    """`turned`: upwards, around its own place."""
    at = (coordinate(x), coordinate(y))
    turn = Markup(' transform="rotate(-90 {} {})"').format(*at) if turned else ""
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}"{}>{}</text>').format(
        *at, anchor, kind, turn, clean(words)
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "", stroke: str = "") -> Markup:
    style = Markup(' style="stroke:{}"').format(stroke) if stroke else ""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"{}/>').format(
        *map(coordinate, (x1, y1, x2, y2)), kind, style
    )


def path(points: Iterable[tuple[float, float]], kind: str, stroke: str) -> Markup:
    """An open line through the points."""
    d = "M" + " L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
    return Markup('<path d="{}" class="{}" style="stroke:{}"/>').format(d, kind, stroke)


def polygon(points: Iterable[tuple[float, float]], fill: str, opacity: float = 1, kind: str = "") -> Markup:
    corners = " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)
    style = f"fill:{fill};fill-opacity:{opacity:.3g}"
    return Markup('<polygon points="{}" class="{}" style="{}"/>').format(corners, kind, style)


def rectangle(
    x: float, y: float, w: float, h: float, fill: str, opacity: float = 1, tip: str = "", kind: str = ""
) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}" style="{}">{}</rect>').format(
        *map(coordinate, (x, y, w, h)), kind, f"fill:{fill};fill-opacity:{opacity:.3g}", _tip(tip)
    )


def dot(x: float, y: float, fill: str, tip: str) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="3" style="fill:{}">{}</circle>').format(
        coordinate(x), coordinate(y), fill, _tip(tip)
    )


def disc(x: float, y: float, radius: float, fill: str, stroke: str) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="{}" style="fill:{};stroke:{}"/>').format(
        *map(coordinate, (x, y, radius)), fill, stroke
    )


def ring(x: float, y: float) -> Markup:
    """Around the point that was chosen."""
    return Markup('<circle cx="{}" cy="{}" r="9" class="ring"/>').format(coordinate(x), coordinate(y))


def mark(x: float, y: float, number: int, tip: str = "", hollow: bool = False, radius: float = 4) -> Markup:
    """The sign of column `number`."""
    shape = MARKS[number % len(MARKS)]
    r = radius
    outline = {
        "square": [(-r, -r), (r, -r), (r, r), (-r, r)],
        "triangle": [(0, -1.2 * r), (1.1 * r, 0.8 * r), (-1.1 * r, 0.8 * r)],
        "diamond": [(0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)],
    }.get(shape)
    style = Markup('class="mark" style="stroke:{};fill:{}"').format(
        colour(number), "var(--paper)" if hollow else colour(number)
    )
    if outline is None:
        return Markup('<circle cx="{}" cy="{}" r="{}" {}>{}</circle>').format(
            coordinate(x), coordinate(y), coordinate(r), style, _tip(tip)
        )
    corners = " ".join(f"{coordinate(x + dx)},{coordinate(y + dy)}" for dx, dy in outline)
    return Markup('<polygon points="{}" {}>{}</polygon>').format(corners, style, _tip(tip))


def _tip(words: str) -> Markup:
    """What a pointer shows."""
    return Markup("<title>{}</title>").format(clean(words)) if words else Markup("")


@dataclass(frozen=True)
class Scale:
    """A linear map from numbers to coordinates, with round ticks."""

    low: float
    high: float
    start: float
    end: float

    @staticmethod
    def around(values: Iterable[float], start: float, end: float, *also: float) -> "Scale":
        """From round number to round number, so that all values (and `also`) are inside, or all but."""
        some = [*values, *also]
        low, high = min(some), max(some)
        step = _step((high - low) or abs(high) or 1)
        first, last = floor(low / step + 0.05), ceil(high / step - 0.05)
        return Scale(step * first, step * max(last, first + 1), start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        step = _step(self.high - self.low)
        first = ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, floor(self.high / step + 1e-9) + 1)]

    def whole_ticks(self) -> list[float]:
        """Those that are whole numbers: steps and layers have no halves."""
        return [tick for tick in self.ticks() if abs(tick - round(tick)) < 1e-9]


def _step(length: float, aim: int = 5) -> float:
    """1, 2 or 5 times a power of ten, so that about `aim` steps cover the length."""
    power = 10 ** floor(log10(length / aim))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power * aim >= length * 0.95)
