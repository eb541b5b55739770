"""What each fact outside of the forget set lost, against its R to the forget set."""

from markupsafe import Markup

from expunge.record_related import Correlation
from expunge.report.numbers import number, short, tick
from expunge.report.relations.view import Relations, row_label
from expunge.report.svg import Scale, line, mark, picture, text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760.0, 360.0, 56.0, 16.0, 24.0, 42.0


def scatter(shown: Relations) -> Markup:
    """ "" where nothing was measured after."""
    found = [(row, k, x) for i, row, k in shown.lost() if (x := shown.related.to_forget[i]) is not None]
    if not found:
        return Markup("")
    gone = forget_drop(shown)
    x = Scale.around([at for *_, at in found], LEFT, WIDTH - RIGHT, 0.0)
    y = Scale.around([k.drop or 0.0 for _, k, _ in found], HEIGHT - BOTTOM, TOP, 0.0, *([gone] if gone else []))
    parts = [*_frame(x, y)]
    if gone:
        parts.append(line(LEFT, y(gone), WIDTH - RIGHT, y(gone), "never"))
        parts.append(text(WIDTH - RIGHT, y(gone) - 4, "mean drop of the forget set", "end", "label"))
    numbers = {name: i + 1 for i, name in enumerate(shown.others)}
    for row, each, at in reversed(found):
        said = "went along" if each.went else "stayed" if each.said_before else "was not said before"
        tip = f"{row_label(row)}, {shown.titles[row.set]}: R {number(at)}, drop {number(each.drop)}; {said}"
        place = (x(at), y(each.drop or 0.0))
        size = 4.0 if each.said_before else 1.8
        parts.append(mark(*place, numbers[row.set], tip, hollow=bool(each.said_before) and not each.went, radius=size))
    parts += _legend(shown, numbers)
    told = f"{len(found)} facts; " + "; ".join(
        f"{', '.join(c.sets)}: rank correlation {number(c.rho)}" for c in _correlations(shown)
    )
    return picture(WIDTH, HEIGHT, "What each lost, against R to the forget set", told, parts)


def forget_drop(shown: Relations) -> float | None:
    """The mean drop of what was to go."""
    if shown.related.after is None:
        return None
    drops = [shown.related.after.rows[i].drop for i in shown.places(shown.related.forget)]
    finite = [drop for drop in drops if drop is not None]
    return sum(finite) / len(finite) if finite else None


def _correlations(shown: Relations) -> tuple[Correlation, ...]:
    return shown.related.after.correlations if shown.related.after else ()


def _frame(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for at in y.ticks():
        parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), "axis" if abs(at) < 1e-9 else "grid"))
        parts.append(text(LEFT - 6, y(at) + 3.5, tick(at), "end", "tick"))
    for at in x.ticks():
        parts.append(line(x(at), TOP, x(at), HEIGHT - BOTTOM, "axis" if abs(at) < 1e-9 else "grid"))
        parts.append(text(x(at), HEIGHT - BOTTOM + 16, tick(at), "middle", "tick"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "R to the forget set, before", "middle", "label"))
    parts.append(text(14, (TOP + HEIGHT - BOTTOM) / 2, "drop (nats a token)", "middle", "label", turned=True))
    return parts


def _legend(shown: Relations, numbers: dict[str, int]) -> list[Markup]:
    parts, at = [], LEFT
    for name, colour in numbers.items():
        label = short(shown.titles[name], 24)
        parts.append(mark(at + 5, 9, colour))
        parts.append(text(at + 14, 13, label, "start", "label"))
        at += 24 + 6.6 * len(label)
    return parts
