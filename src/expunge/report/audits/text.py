"""An audit on a terminal: verdict, rate, ceiling, worst cell, utility, and the families."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from expunge.report.audits.tables import FAMILY_HEAD, family_rows
from expunge.report.audits.view import Audited
from expunge.report.audits.words import ceiling, facts, no_rate, rate, rate_name
from expunge.report.numbers import clean

if TYPE_CHECKING:
    from rich.console import RenderableType


def as_text(audited: Audited) -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    audit = audited.audit
    yield Text(clean(audited.label), style="bold")
    yield from (Text(clean(line)) for line in audit.verdict)
    grid = Table.grid(padding=(0, 2))
    why = f": {no_rate(audit)}" if audit.rate is None else ""
    grid.add_row(Text(clean(rate_name(audit)), style="cyan"), Text(clean(rate(audit) + why), style="bold"))
    grid.add_row(Text("Ceiling", style="cyan"), Text(ceiling(audit)))
    for line in facts(audited):
        grid.add_row(Text(line.word, style="cyan"), Text(clean("\n".join((line.text, *line.more)))))
    yield Padding(grid, (1, 0, 1, 2))
    yield _families(audited)


def _families(audited: Audited) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (FAMILY_HEAD[0], "Passed", FAMILY_HEAD[-1]):
        drawn.add_column(name)
    for row in family_rows(audited):
        drawn.add_row(*(Text(clean(words)) for words in (row.name, row.passed, row.verdict)))
    return drawn
