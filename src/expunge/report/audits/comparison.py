"""Several audits side by side: one row a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.report.audits.view import Audited, counts
from expunge.report.audits.words import kept, rate
from expunge.report.numbers import duration, percent, size, tick
from expunge.report.svg import Scale, colour, line, picture, rectangle, text

HEAD = (
    "Model", "Rate", "Ceiling", "Known", "Over-forgotten", "Unresolved", "Uninformative", "Utility kept", "Worst cell",
    "Cost of the audit", "Panel and control",
)  # fmt: skip
WIDTH, HEIGHT = 300.0, 44.0


@dataclass(frozen=True)
class Compared:
    cells: tuple[str, ...]  # as HEAD
    drawn: Markup


def comparison(audits: Sequence[Audited]) -> list[Compared]:
    """Rows where there is something to compare."""
    return [Compared(_cells(audited), rate_picture(audited)) for audited in audits] if len(audits) > 1 else []


def unlike(audits: Sequence[Audited]) -> str:
    """What keeps the rates from being comparable, in words; "" where nothing does."""
    kinds = {
        "panels": {a.audit.panel for a in audits},
        "controls": {a.audit.control for a in audits},
        "δ": {a.audit.delta for a in audits},
        "original models": {(a.record.model.name, a.record.model.digest) if a.record.model else () for a in audits},
        "sets": {id(a.group) for a in audits},
    }
    found = [word for word, some in kinds.items() if len(some) > 1]
    return f"These audits differ in their {', '.join(found)}: their rates do not compare." if found else ""


def rate_picture(audited: Audited) -> Markup:
    """The rate as a bar from 0 to 100 %, with the ceiling as a line; "" without a rate."""
    audit = audited.audit
    if audit.rate is None:
        return Markup("")
    x, best = Scale(0, 1, 12, WIDTH - 20), audit.ceiling.rate if audit.ceiling else None
    parts = [
        rectangle(x(0), 16, x(1) - x(0), 12, "var(--rule)", 0.6),
        rectangle(x(0), 16, x(audit.rate) - x(0), 12, colour(1), tip=f"{audit.rate_name}: {percent(audit.rate)}"),
    ]
    parts += [text(x(at), 41, f"{tick(100 * at)} %", "middle", "tick") for at in (0, 0.5, 1)]
    if best is not None:
        parts.append(line(x(best), 12, x(best), 31, "ceiling"))
        parts.append(text(x(best), 9, "ceiling", "end" if best > 0.8 else "middle", "label"))
    told = f"{percent(audit.rate)}" + (f"; the ceiling is {percent(best)}" if best is not None else "")
    return picture(WIDTH, HEIGHT, audit.rate_name, told, parts)


def _cells(audited: Audited) -> tuple[str, ...]:
    audit, fell = audited.audit, counts(audited.audit)
    best = audit.ceiling.rate if audit.ceiling else None
    took = duration(sum(audited.record.seconds.values()) or sum(audit.seconds.values()))
    cost = f"{took}, {size(audited.record.peak_memory)}" if audited.record.peak_memory else took
    return (
        audited.label, rate(audit), "–" if best is None else percent(best),
        *(str(fell[status]) for status in ("known", "over-forgotten", "unresolved", "uninformative")),
        kept(audited) or "–", audit.worst or "–", cost, f"{audit.panel}; {audit.control}",
    )  # fmt: skip
