"""How R is spread, a line for each kind of pair: nine in ten pairs, the middle half, the median."""

from markupsafe import Markup

from expunge.report.numbers import number, short, tick
from expunge.report.relations.view import Pairs
from expunge.report.svg import Scale, line, picture, rectangle, text

WIDTH, LEFT, RIGHT, STEP, BOTTOM = 760.0, 300.0, 60.0, 24.0, 34.0


def quantile(values: tuple[float, ...], share: float) -> float:
    """Of sorted values, linear in between.

    >>> quantile((0.0, 1.0, 2.0), 0.75)
    1.5
    """
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


def spread_picture(pairs: list[Pairs]) -> Markup:
    """ "" where there are no pairs."""
    if not pairs:
        return Markup("")
    height = STEP * len(pairs) + BOTTOM
    ends = [quantile(p.values, share) for p in pairs for share in (0.05, 0.95)]
    x = Scale.around(ends, LEFT, WIDTH - RIGHT, 0.0)
    parts = []
    for at in x.ticks():
        parts.append(line(x(at), 0, x(at), height - BOTTOM + 4, "axis" if abs(at) < 1e-9 else "grid"))
        parts.append(text(x(at), height - BOTTOM + 18, tick(at), "middle", "tick"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 2, "R: cosine of the gradients", "middle", "label"))
    for i, pair in enumerate(pairs):
        y = STEP * (i + 0.5)
        low, q1, middle, q3, high = (x(quantile(pair.values, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
        tip = f"{pair.label}: median {number(quantile(pair.values, 0.5))}, {len(pair.values):,} pairs"
        parts.append(text(LEFT - 10, y + 4, short(pair.label, 46), "end", "label"))
        parts.append(line(low, y, high, y, "whisker", "var(--heat)"))
        parts.append(rectangle(q1, y - 5, max(q3 - q1, 0.8), 10, "var(--heat)", 0.45, tip))
        parts.append(rectangle(middle - 1.2, y - 7, 2.4, 14, "var(--ink)", 1, tip))
        parts.append(text(WIDTH - RIGHT + 8, y + 4, f"{len(pair.values):,}", "start", "tick"))
    told = "; ".join(f"{p.label}: median {number(quantile(p.values, 0.5))}" for p in pairs)
    return picture(WIDTH, height, "How R is spread", told, parts)
