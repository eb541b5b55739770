"""A row of the results as a picture: every model's value and interval on one line from 0 to 1."""

from collections.abc import Sequence

from markupsafe import Markup

from expunge.record import Measured
from expunge.report.numbers import interval, measured
from expunge.report.svg import Scale, colour, line, mark, picture

WIDTH, STEP = 170.0, 13.0


def strip(title: str, rows: Sequence[tuple[str, int, Measured | None]], level: float | None = None) -> Markup:
    """`rows`: label, column number, metric. Only for numbers between 0 and 1; "" where there are none.

    `level`: where a model that never knew stands.
    """
    shown = [(label, number, m) for label, number, m in rows if m and m.value is not None]
    if not shown or any(m.unit not in ("", "examples") or not _within(m) for _, _, m in shown):
        return Markup("")
    scale, height = Scale(0, 1, 7, WIDTH - 7), STEP * len(shown) + 4
    parts = [line(scale(x), 0, scale(x), height, "axis" if x in (0, 1) else "grid") for x in (0, 0.25, 0.5, 0.75, 1)]
    if level is not None:
        parts.append(line(scale(level), 0, scale(level), height, "never"))
    for i, (label, number, m) in enumerate(shown):
        y = 2 + STEP * (i + 0.5)
        low, high = m.interval or (m.value, m.value)
        if low is not None and high is not None:
            parts.append(line(scale(low), y, scale(high), y, "whisker", colour(number)))
        tip = f"{label}: {measured(m)} {interval(m)}".strip()
        parts.append(mark(scale(m.value or 0), y, number, tip, hollow=number == 0, radius=3.6))
    description = "; ".join(f"{label} {measured(m)} {interval(m)}".strip() for label, _, m in shown)
    return picture(WIDTH, height, title, description, parts)


def _within(m: Measured) -> bool:
    """Numbers of others, of lm-evaluation-harness for one, have no unit that would tell."""
    return all(value is None or 0 <= value <= 1 for value in (m.value, *(m.interval or ())))
