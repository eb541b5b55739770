"""An audit as Markdown: the first page and the tables, without pictures."""

from collections.abc import Callable, Iterable, Sequence

from expunge.report.audits import tables
from expunge.report.audits.comparison import HEAD, comparison, unlike
from expunge.report.audits.curves import varied
from expunge.report.audits.distributions import distances, is_graded
from expunge.report.audits.strata import MISALIGNED_HEAD, misaligned, strata
from expunge.report.audits.view import Audited
from expunge.report.audits.words import ceiling, facts, no_rate, rate, rate_name
from expunge.report.numbers import number, tick

Inline = Callable[[str], str]  # any text as itself
Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def compared(audits: Sequence[Audited], inline: Inline, table: Table) -> Iterable[str]:
    if rows := comparison(audits):
        yield "## The models side by side"
        yield table(HEAD, [list(row.cells.values()) for row in rows])
        if why := unlike(audits):
            yield inline(why)


def first_page(audited: Audited, inline: Inline) -> Iterable[str]:
    audit = audited.audit
    yield f"## {inline(f'Verdict: {audited.label}')}"
    yield from (inline(line) for line in audit.verdict)
    number_of = f"**{inline(rate_name(audit))}: {inline(rate(audit))}.**"
    yield f"{number_of} {inline(f'Why: {no_rate(audit)}' if audit.rate is None else '')}".strip()
    yield inline(ceiling(audit))
    yield "\n".join(f"- **{line.word}** {inline(' '.join((line.text, *line.more)))}" for line in facts(audited))
    if audit.cannot_say:
        yield "**What this audit cannot say:**\n\n" + "\n".join(f"- {inline(line)}" for line in audit.cannot_say)


def details(audited: Audited, inline: Inline, table: Table) -> Iterable[str]:
    families = tables.family_rows(audited)
    yield f"## {inline(f'By family: {audited.label}')}"
    yield table(tables.FAMILY_HEAD, [[row.name, *row.numbers, row.verdict] for row in families])
    yield f"## {inline(f'Every cell: {audited.label}')}"
    audit = audited.audit
    yield f"Panel {inline(audit.panel)}, control {audit.control}, δ = {tick(audit.delta)}, {number(audit.draws)} draws."
    yield "Gap: original minus control, with its lower bound. Excess: unlearned minus control, with both bounds."
    yield table(["Family", *tables.cell_head(audited), "Note"], [_cells(row) for row in tables.cell_rows(audited)])
    yield from _distances(audited, inline, table)
    yield from _curves(audited, table)
    yield from _strata(audited, inline, table)
    if rows := tables.reported(audited):
        yield f"## {inline(f'What others report: {audited.label}')}"
        yield table(tables.REPORTED_HEAD, rows)
    if rows := tables.missing(audited):
        yield "**What could not be run:**\n\n" + "\n".join(f"- {inline(name)}: {inline(why)}" for name, why in rows)
    if rows := tables.seconds(audited):
        yield table(["Attack", "Time, all models"], rows)


def entries(glossary: Iterable[tuple[str, str, str]], inline: Inline) -> Iterable[str]:
    yield "## Glossary"
    for title, direction, reads in glossary:
        yield f"- **{inline(title)}** ({inline(direction)}): {inline(reads)}"


def _cells(row: tables.CellRow) -> list[str]:
    gap = f"{row.gap} ({row.gap_bound})" if row.gap_bound else row.gap
    excess = f"{row.excess} {row.excess_bounds}".strip()
    return [row.family, row.title, row.status, row.n, *row.k, gap, excess, row.note or "–"]


def _strata(audited: Audited, inline: Inline, table: Table) -> Iterable[str]:
    for each in strata(audited):
        yield f"## {inline(f'By frequency, {each.set}: {audited.label}')}"
        yield f"What is left over the control, with 95 % intervals. {inline(each.said)}"
        rows = ((row.title, *row.columns) for row in each.rows)
        yield table(
            each.head, [[title, *(f"{value} {below}".strip() for value, below in rest)] for title, *rest in rows]
        )
    if rows := misaligned(audited):
        yield f"## {inline(f'Saying and finding likely: {audited.label}')}"
        yield table(MISALIGNED_HEAD, rows)


def _distances(audited: Audited, inline: Inline, table: Table) -> Iterable[str]:
    rows = [[audited.title(cell), *map(number, distances(cell))] for cell in audited.audit.cells if is_graded(cell)]
    if rows:
        yield f"## {inline(f'Distributions: {audited.label}')}"
        yield "The largest distance D between a model's distribution of scores and the control's."
        yield table(["Cell", "D of the original", "D of the unlearned"], rows)


def _curves(audited: Audited, table: Table) -> Iterable[str]:
    for cell in audited.audit.cells:
        places = sorted({at for curve in cell.curves.values() for at, _ in curve})
        if places:
            values = {label: dict(curve) for label, curve in cell.curves.items()}
            head = [f"{audited.title(cell)}: {varied(cell)}", *map(tick, places)]
            yield table(head, [[label, *(number(own.get(at)) for at in places)] for label, own in values.items()])
