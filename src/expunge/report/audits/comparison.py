"""Several audits side by side: one row a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.report.audits.status import tile
from expunge.report.audits.view import Audited, counts
from expunge.report.audits.words import kept, rate, shares
from expunge.report.numbers import duration, listed, percent, size, tick
from expunge.report.svg import Scale, colour, line, picture, rectangle, text

HEAD = (
    "Model", "Rate", "Ceiling", "Never-knew", "Known", "Over-forgotten", "Unresolved", "Uninformative", "Utility kept",
    "Worst cell", "Cost of the audit", "Panel and control",
)  # fmt: skip
WIDTH, HEIGHT = 300.0, 44.0


@dataclass(frozen=True)
class Compared:
    cells: dict[str, str]  # as HEAD
    drawn: Markup
    fell: tuple[tuple[Markup, int], ...]  # a tile and how many cells
    kept: tuple[str, ...]


def comparison(audits: Sequence[Audited]) -> list[Compared]:
    """Rows where there is something to compare."""
    return [_row(audited) for audited in audits] if len(audits) > 1 else []


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
    return f"These audits differ in their {listed(found)}: their rates do not compare." if found else ""


def rate_picture(audited: Audited, small: bool = False) -> Markup:
    """The rate as a bar from 0 to 100 %, with the ceiling as a line; "" without a rate. `small`: without words."""
    audit = audited.audit
    if audit.rate is None:
        return Markup("")
    width, top = (120.0, 4.0) if small else (WIDTH, 16.0)
    x = Scale(0, 1, 2, width - 2) if small else Scale(0, 1, 12, width - 20)
    best, told = audit.ceiling.rate if audit.ceiling else None, percent(audit.rate)
    parts = [
        rectangle(x(0), top, x(1) - x(0), 12, "var(--rule)", 0.6),
        rectangle(x(0), top, x(audit.rate) - x(0), 12, colour(1), tip=f"{audit.rate_name}: {percent(audit.rate)}"),
    ]
    if best is not None:
        told += f"; the ceiling is {percent(best)}"
        parts.append(line(x(best), top - 4, x(best), top + 15, "ceiling"))
    if not small:
        parts += [text(x(at), 41, f"{tick(100 * at)} %", "middle", "tick") for at in (0, 0.5, 1)]
        if best is not None:
            parts.append(text(x(best), 9, "ceiling", "end" if best > 0.8 else "middle", "label"))
    return picture(width, 20 if small else HEIGHT, audit.rate_name, told, parts)


def _row(audited: Audited) -> Compared:
    fell = counts(audited.audit)
    tiles = tuple((tile(status, f"{status}: {n}"), n) for status, n in fell.items())
    kept = tuple(f"{title} {share}" for title, share in shares(audited))
    return Compared(_cells(audited), rate_picture(audited, small=True), tiles, kept)


def _cells(audited: Audited) -> dict[str, str]:
    audit, fell = audited.audit, counts(audited.audit)
    best = audit.ceiling.rate if audit.ceiling else None
    took = duration(sum(audited.record.seconds.values()) or sum(audit.seconds.values()))
    cost = f"{took}, {size(audited.record.peak_memory)}" if audited.record.peak_memory else took
    words = (
        audited.label, rate(audit), "–" if best is None else percent(best), *(str(n) for n in fell.values()),
        kept(audited) or "–", audit.worst or "–", cost, f"{audit.panel}; {audit.control}",
    )  # fmt: skip
    return dict(zip(HEAD, words))
