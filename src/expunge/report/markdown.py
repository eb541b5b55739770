"""The report as Markdown: the words and tables of the page, without its pictures.

Texts from outside are escaped twice, for Markdown and for the HTML that Markdown lets through.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from expunge.record import Record
from expunge.report import circuits
from expunge.report.answers import AnswerTable, Said, answer_tables
from expunge.report.audits import markdown as audited_as
from expunge.report.audits.glossary import glossary
from expunge.report.audits.view import Audited, audits_of
from expunge.report.extrapolated import Extrapolated, extrapolated_of
from expunge.report.headline import headline
from expunge.report.located import Located, masks_of, notes_of, reading_of, table_of, wheres_of
from expunge.report.masks import as_markdown
from expunge.report.numbers import clean
from expunge.report.page import command_line, notices, own_lines, title_of
from expunge.report.relations.markdown import as_markdown as relations_as_markdown
from expunge.report.relations.view import relations_of
from expunge.report.tables import SetTable, readings, set_tables
from expunge.report.view import Group, grouped

_SPECIAL = re.compile(r"([\\`*_\[\]{}|~#!])")


def to_markdown(records: Sequence[Record]) -> str:
    parts = [f"# {inline(title_of(records))}"]
    groups = grouped(records)
    audits = audits_of(groups)
    parts += audited_as.compared(audits, inline, _table)
    for group in groups:
        parts += _group(group, [audited for audited in audits if audited.group is group])
    return "\n\n".join(parts) + "\n"


def inline(text: str) -> str:
    """Any text on one line, as itself.

    >>> inline("a|b <script> *c*")
    'a\\\\|b &lt;script&gt; \\\\*c\\\\*'
    """
    return _SPECIAL.sub(r"\\\1", escape(clean(" ".join(text.split())), quote=False))


def _group(group: Group, audits: Sequence[Audited]) -> Iterable[str]:
    yield from (inline(line) for line in own_lines(group))
    for audited in audits:
        yield from audited_as.first_page(audited, inline)
    for column in group.judged:
        if column.record.audit is not None:
            continue
        lines = [
            f"- **{line.word or '·'}** {inline(' '.join((line.text, *line.more)))}" for line in headline(group, column)
        ]
        yield f"**{inline(column.label)}**\n\n" + "\n".join(lines)
    if notes := notices(group):
        yield "**Mind:**\n\n" + "\n".join(f"- {inline(note)}" for note in notes)
    for audited in audits:
        yield from audited_as.details(audited, inline, _table)
    for found in (record.circuits for record in group.records if record.circuits is not None):
        yield "## Classes"
        yield _table(*circuits.classes_table(found))
        yield "## The circuits"
        yield _table(*circuits.circuits_table(found))
        yield from (f"- {inline(words)}" for words, _ in circuits.why_told(found))
    if masks := masks_of(group):
        yield from _masks(masks)
    if further := extrapolated_of(group):
        yield from _extrapolated(further)
    for shown in relations_of(group):
        yield from relations_as_markdown(shown, inline, _table)
    yield "## What was asked"
    yield "\n\n".join(f"    {' '.join(clean(command_line(record)).split())}" for record in group.records)
    if tables := set_tables(group):
        yield "## The numbers"
        yield "In brackets: the 95 % interval. The arrow points to where a model that knows more stands."
    for table in tables:
        yield from _numbers(group, table)
    for title, direction, reads in () if audits else readings(group):
        yield f"- **{inline(title)}** ({direction}): {inline(reads)}"
    if answers := answer_tables(group):
        yield "## Example by example"
    for table in answers:
        yield from _answers(group, table)
    if audits:
        yield from audited_as.entries(glossary(audits), inline)
    yield "## Where it comes from"
    yield "\n".join(f"- {inline(key)}: {inline(value)}" for key, value in _provenance(group))


def _extrapolated(found: Sequence[Extrapolated]) -> Iterable[str]:
    yield "## How far it was extrapolated"
    for each in found:
        lines = "\n".join(f"- {inline(line)}" for line in each.said)
        yield f"**{inline(each.column.label)}**\n\n{lines}"
        yield _table(*each.table)


def _masks(masks: Sequence[Located]) -> Iterable[str]:
    yield "## Where the masks lie" if len(masks) > 1 else "## Where the mask lies"
    yield from (inline(line) for line in reading_of(masks)[1:])
    yield _table(*table_of(masks))
    if notes := notes_of(masks):
        yield "\n".join(f"- {inline(note)}" for note in notes)
    yield "The share of each kind of matrix that the mask has, layer by layer:"
    yield from as_markdown(wheres_of(masks), inline, _table)


def _numbers(group: Group, table: SetTable) -> Iterable[str]:
    yield f"### {inline(table.title)}\n\n{table.n} examples; {table.goal}."
    rows = [
        [f"{row.title} {row.arrow}", *(f"{cell.value} {cell.interval}".strip() or "–" for cell in row.cells)]
        for row in table.rows
    ]
    yield _table(["Metric", *(column.label for column in group.columns)], rows)


def _answers(group: Group, table: AnswerTable) -> Iterable[str]:
    part = f"{len(table.rows)} of " if len(table.rows) < table.total else ""
    score = f"; the number is the {inline(table.score.lower())}" if table.score else ""
    yield f"### {inline(table.title)}\n\n{part}{table.total} examples{score}."
    asked = ["Asked", "Right answer"] if table.texts else []
    rows = [
        [row.id, *([row.prompt or "–", row.answer or "–"] if table.texts else []), *map(_said, row.said)]
        for row in table.rows
    ]
    yield _table(["Example", *asked, *(column.label for column in group.columns)], rows)


def _said(said: Said) -> str:
    right = {True: "✓", False: "✗", None: ""}[said.right]
    return " ".join(part for part in (said.text or "", right, said.score) if part) or "–"


def _provenance(group: Group) -> Iterable[tuple[str, str]]:
    for record in group.records:
        yield "Configuration", record.configuration_hash or "–"
        if record.max_new_tokens:
            yield "Room for an answer", f"{record.max_new_tokens} tokens"
        if record.model:
            yield "Starting weights", f"{record.model.name} {record.model.digest}".strip()
        yield from ((f"Set {name}", info.digest) for name, info in record.sets.items() if info.digest)
        yield "Versions", ", ".join(f"{name} {version}" for name, version in record.versions.items()) or "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell if line is lines[1] else inline(cell) for cell in line) + " |" for line in lines
    )
