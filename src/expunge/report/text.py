"""The result on a terminal: the first lines, then one table a set."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from expunge.record import Record
from expunge.report.audits.text import as_text
from expunge.report.audits.view import Audited, audits_of
from expunge.report.headline import headline
from expunge.report.located import masks_of, said_of
from expunge.report.numbers import clean
from expunge.report.page import notices, own_lines
from expunge.report.tables import SetTable, set_tables
from expunge.report.view import Group, grouped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def print_summary(records: Record | Sequence[Record], console: "Console") -> None:
    """Texts are printed as they are: square brackets in them are no markup."""
    groups = grouped([records] if isinstance(records, Record) else records)
    audits = audits_of(groups)
    for group in groups:
        for part in _group(group, [audited for audited in audits if audited.group is group]):
            console.print(part)


def _group(group: Group, audits: Sequence[Audited]) -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    for line in own_lines(group):
        yield Text(clean(line))
    for audited in audits:
        yield from as_text(audited)
    for column in group.judged:
        if column.record.audit is not None:
            continue
        yield Text(clean(column.label), style="bold")
        grid = Table.grid(padding=(0, 2))
        for line in headline(group, column):
            grid.add_row(Text(line.word, style="cyan"), Text(clean("\n".join((line.text, *line.more)))))
        yield Padding(grid, (0, 0, 1, 2))
    for mask in masks_of(group):
        if mask.column is not None or len(group.records) > 1:  # a single one is told in the first lines
            yield Text(clean(f"{mask.label}{', within a mask' * bool(mask.column)}: {' '.join(said_of(mask.info))}"))
    for table in () if audits else set_tables(group):
        yield _table(group, table)
    for note in notices(group):
        yield Text(f"mind: {clean(note)}", style="yellow")


def _table(group: Group, table: SetTable) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    head = Text.assemble((clean(table.title), "bold"), (f"  {table.n} examples", "dim"))
    drawn = Table(title=head, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("")
    for column in group.columns:
        drawn.add_column(Text(clean(column.label)), justify="right")
    for row in table.rows:
        cells = (
            Text.assemble(cell.value or "–", (f" {cell.interval}" if cell.interval else "", "dim"))
            for cell in row.cells
        )
        drawn.add_row(Text(f"{clean(row.title)} {row.arrow}"), *cells)
    return drawn
