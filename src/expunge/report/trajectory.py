"""The trajectory: how the forget level fell and what became of the utility, over the steps and against each
other.

Utility is shown as a share of the start's, as the floor is.
"""

from collections.abc import Sequence

from markupsafe import Markup

from expunge.record import Selection
from expunge.report.numbers import number, percent, tick
from expunge.report.svg import Scale, colour, dot, line, mark, path, picture, ring, text
from expunge.report.view import Column

WIDTH, HEIGHT = 440.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 12.0, 40.0
Series = list[tuple[int, float]]  # (step, value)


def over_steps(column: Column) -> Markup:
    """Forget level and utility over the steps, for one method; "" where nothing was recorded."""
    forget, utility, chosen = _forget(column), _utility(column), _selection(column)
    if len(forget) < 2:
        return Markup("")
    levels = [v for v in (chosen.never_known, chosen.utility_floor) if v is not None] if chosen else []
    x = Scale.around([step for step, _ in forget], LEFT, WIDTH - RIGHT)
    y = Scale.around([v for _, v in (*forget, *utility)], HEIGHT - BOTTOM, TOP, 0, *levels)
    parts = frame(x, y, "step", "", whole=True)
    if chosen:
        parts.append(line(x(chosen.step), TOP, x(chosen.step), HEIGHT - BOTTOM, "chosen"))
        parts += [_across(y, chosen.never_known, "never"), _across(y, chosen.utility_floor, "floor")]
    for series, stroke in ((utility, "var(--keep)"), (forget, "var(--forget)")):
        if series:
            parts.append(path([(x(step), y(value)) for step, value in series], "series", stroke))
        parts += [dot(x(step), y(value), stroke, f"step {step}: {number(value)}") for step, value in series]
    return picture(WIDTH, HEIGHT, f"Forget level and utility over the steps: {column.label}", _told(column), parts)


def learnt_over_steps(column: Column) -> Markup:
    """Extraction strength over the steps of a fine-tuning; "" where nothing was recorded."""
    series = learnt(column)
    if len(series) < 2:
        return Markup("")
    x = Scale.around([step for step, _ in series], LEFT, WIDTH - RIGHT)
    y = Scale.around([value for _, value in series], HEIGHT - BOTTOM, TOP, 0, 1)
    parts = frame(x, y, "step", "extraction strength", whole=True)
    parts.append(path([(x(step), y(value)) for step, value in series], "series", "var(--keep)"))
    parts += [dot(x(step), y(value), "var(--keep)", f"step {step}: {number(value)}") for step, value in series]
    told = f"{column.label}: extraction strength from {number(series[0][1])} to {number(series[-1][1])}"
    return picture(WIDTH, HEIGHT, f"Extraction strength over the steps: {column.label}", told, parts)


def learnt(column: Column) -> Series:
    """What a fine-tuning recorded of the sample that it was watched on."""
    points = column.outcome.trajectory if column.outcome else ()
    values = [(p.step, p.values.get("extraction_strength")) for p in points]
    return [(step, value) for step, value in values if value is not None]


def against_each_other(columns: Sequence[Column]) -> Markup:
    """Forget level (across) against utility (up), all methods; "" where nothing was recorded."""
    runs = [(column, _pairs(column)) for column in columns]
    runs = [(column, pairs) for column, pairs in runs if len(pairs) > 1]
    if not runs:
        return Markup("")
    chosen = next((s for column, _ in runs if (s := _selection(column))), None)
    level, floor = (chosen.never_known, chosen.utility_floor) if chosen else (None, None)
    x = Scale.around([f for _, run in runs for _, f, _ in run], LEFT, WIDTH - RIGHT, 0, *_given(level))
    y = Scale.around([u for _, run in runs for *_, u in run], HEIGHT - BOTTOM, TOP, 1.01, *_given(floor))
    parts = [*frame(x, y, "forget level", "utility"), _across(y, floor, "floor")]
    if level is not None:
        parts.append(line(x(level), TOP, x(level), HEIGHT - BOTTOM, "never"))
    for column, run in runs:
        kept = _selection(column)
        parts.append(path([(x(f), y(u)) for _, f, u in run], "trace", colour(column.colour)))
        for step, f, u in run:
            if kept and kept.step == step:
                parts.append(ring(x(f), y(u)))
            tip = f"{column.label}, step {step}: forget level {number(f)}, utility {percent(u)}"
            parts.append(mark(x(f), y(u), column.colour, tip, hollow=step == run[0][0], radius=3.5))
    told = "; ".join(_told(column) for column, _ in runs)
    return picture(WIDTH, HEIGHT, "Forget level against utility", told, parts)


def _forget(column: Column) -> Series:
    points = column.outcome.trajectory if column.outcome else ()
    return [(p.step, p.forget) for p in points if p.forget is not None]


def _utility(column: Column) -> Series:
    """As a share of the first."""
    points = column.outcome.trajectory if column.outcome else ()
    start = points[0].utility if points else None
    return [(p.step, p.utility / start) for p in points if p.utility is not None] if start else []


def _pairs(column: Column) -> list[tuple[int, float, float]]:
    utility = dict(_utility(column))
    return [(step, f, utility[step]) for step, f in _forget(column) if step in utility]


def _selection(column: Column) -> Selection | None:
    return column.outcome.selection if column.outcome else None


def _given(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _across(y: Scale, value: float | None, kind: str) -> Markup:
    return Markup("") if value is None else line(LEFT, y(value), WIDTH - RIGHT, y(value), kind)


def frame(x: Scale, y: Scale, across: str, up: str, whole: bool = False) -> list[Markup]:
    """Axes with ticks, a grid and their names. `whole`: steps have no halves."""
    parts = []
    for at in y.ticks():
        parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), "grid"))
        parts.append(text(LEFT - 6, y(at) + 3.5, tick(at), "end", "tick"))
    for at in x.whole_ticks() if whole else x.ticks():
        parts.append(text(x(at), HEIGHT - BOTTOM + 15, tick(at), "middle", "tick"))
    parts.append(line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, across, "middle", "label"))
    parts.append(text(11, (TOP + HEIGHT - BOTTOM) / 2, up, "middle", "label", turned=True))
    return parts


def _told(column: Column) -> str:
    """The picture in words, for those who cannot see it."""
    forget, utility, chosen = _forget(column), _utility(column), _selection(column)
    told = f"{column.label}: forget level from {number(forget[0][1])} to {number(forget[-1][1])}"
    if utility:
        told += f", utility down to {percent(min(u for _, u in utility))} of the start's at the lowest"
    return told + (f"; step {chosen.step} was kept" if chosen else "")
