"""Extrapolations as reports show them: how far a change was taken, and the curve by which that was chosen."""

from typing import NamedTuple

from markupsafe import Markup

from expunge.record import AlphaPoint, ExtrapolationInfo
from expunge.report.numbers import number, percent
from expunge.report.svg import Scale, dot, line, path, picture
from expunge.report.trajectory import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame
from expunge.report.view import Column, Group

READING = (
    "α = 0 is what training found; beyond it the weights go on in the direction in which training moved them, below 0 "
    "a part of that is taken back. The vertical line is the chosen α, the dashed ones are the never-known level and "
    "the utility floor."
)
OVERSHOT = "At this α the answers are less likely than to a model that never knew: that is a failure, too."


class Extrapolated(NamedTuple):
    """One method's extrapolation."""

    column: Column
    info: ExtrapolationInfo
    said: tuple[str, ...]
    drawn: Markup
    table: tuple[list[str], list[list[str]]]


def extrapolated_of(group: Group) -> list[Extrapolated]:
    """Of the methods that have one."""
    found = [
        (column, info)
        for column in group.after if column.outcome
        for info in (column.outcome.extrapolation, *column.outcome.by_bucket) if info
    ]  # fmt: skip
    return [
        Extrapolated(column, info, said_of(info), curve_of(info, _named(column.label, info)), table_of(info))
        for column, info in found
    ]


def _named(label: str, info: ExtrapolationInfo) -> str:
    return f"{label}, bucket {info.bucket}" if info.bucket else label


def said_of(info: ExtrapolationInfo) -> tuple[str, ...]:
    """What a person reads first."""
    by = f"chosen by {info.selector!r}" if info.selector else "given"
    along = "" if info.direction == "whole" else f", along the {info.direction} change"
    start = "" if info.step is None else f" from step {info.step}"
    whose = f"Bucket {info.bucket}: " if info.bucket else ""
    lines = [f"{whose}α = {number(info.alpha)}{along}, {by}{start}: {info.why}."]
    if info.tested is not None and info.utility_floor is not None:
        held = "held" if info.tested >= info.utility_floor else "missed"
        lines.append(
            f"On the half of the retain set that chose nothing {percent(info.tested)} of the utility is kept: the "
            f"floor of {percent(info.utility_floor)} is {held}."
        )
    return (*lines, *[OVERSHOT] * info.overshoots)


def curve_of(info: ExtrapolationInfo, label: str) -> Markup:
    """Forget level and utility over α; "" for a single point."""
    if len(info.curve) < 2:
        return Markup("")
    forget, utility = _series(info)
    levels = [v for v in (info.never_known, info.utility_floor) if v is not None]
    x = Scale.around([alpha for alpha, _ in forget], LEFT, WIDTH - RIGHT)
    y = Scale.around([v for _, v in (*forget, *utility)], HEIGHT - BOTTOM, TOP, 0, *levels)
    parts = frame(x, y, "α", "")
    parts.append(line(x(info.alpha), TOP, x(info.alpha), HEIGHT - BOTTOM, "chosen"))
    for level, kind in ((info.never_known, "never"), (info.utility_floor, "floor")):
        if level is not None:
            parts.append(line(LEFT, y(level), WIDTH - RIGHT, y(level), kind))
    for series, stroke in ((utility, "var(--keep)"), (forget, "var(--forget)")):
        if series:
            parts.append(path([(x(alpha), y(value)) for alpha, value in series], "series", stroke))
        parts += [dot(x(alpha), y(value), stroke, f"α {number(alpha)}: {number(value)}") for alpha, value in series]
    told = "; ".join(f"α {number(alpha)}: forget level {number(value)}" for alpha, value in forget)
    return picture(WIDTH, HEIGHT, f"Forget level and utility over α: {label}", told, parts)


def table_of(info: ExtrapolationInfo) -> tuple[list[str], list[list[str]]]:
    """Head and rows, a row an α; the chosen one says so."""
    related = any(point.related is not None for point in info.curve)
    head = ["α", "Forget level", "Log-probability per token", "Utility kept", *["Related NLL"] * related, ""]
    return head, [_row(point, info, related) for point in info.curve]


def _row(point: AlphaPoint, info: ExtrapolationInfo, related: bool) -> list[str]:
    kept = _share(point, info)
    return [
        number(point.alpha), _number(point.forget), _number(point.log), "–" if kept is None else percent(kept),
        *[_number(point.related)] * related, "chosen" if point.alpha == info.alpha else "",
    ]  # fmt: skip


def _series(info: ExtrapolationInfo) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Forget level, and utility as a share of the start's."""
    forget = [(p.alpha, p.forget) for p in info.curve if p.forget is not None]
    return forget, [(p.alpha, share) for p in info.curve if (share := _share(p, info)) is not None]


def _share(point: AlphaPoint, info: ExtrapolationInfo) -> float | None:
    return point.utility / info.start.utility if point.utility is not None and info.start.utility else None


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
