"""Relations in a Markdown report: the tables, without the pictures."""

from collections.abc import Callable, Iterable, Sequence

from expunge.report.numbers import number
from expunge.report.relations import words
from expunge.report.relations.spread import quantile
from expunge.report.relations.tables import Table, counts_table, lost_table, nearest_table, sets_table
from expunge.report.relations.view import Relations, pairs_of

Inline = Callable[[str], str]
Draw = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def as_markdown(shown: Relations, inline: Inline, table: Draw) -> Iterable[str]:
    yield f"## How related it is{inline(': ' + shown.label) if shown.label else ''}"
    yield "\n".join(f"- {inline(note)}" for note in (*words.notes_of(shown.related), words.MEANING))
    yield inline(words.SETS)
    yield _drawn(sets_table(shown), table)
    spreads = [
        [p.label, str(len(p.values)), *(number(quantile(p.values, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95))]
        for p in pairs_of(shown)
    ]
    yield table(["Pairs", "Number", "5 %", "25 %", "Median", "75 %", "95 %"], spreads)
    if (nearest := nearest_table(shown)).rows:
        yield inline(words.NEAREST)
        yield _drawn(nearest, table)
    if shown.related.after is not None:
        yield f"### What went along with it in {inline(shown.related.after.model)}"
        yield inline(words.WENT)
        yield _drawn(counts_table(shown), table)
        yield _drawn(lost_table(shown), table)


def _drawn(found: Table, table: Draw) -> str:
    return table(found.head, found.rows)
