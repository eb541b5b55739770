"""The HTML report: one file, no script, nothing loaded from anywhere, everything escaped."""

import re
import shlex
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from expunge.record import Record
from expunge.report import circuit_pictures, circuits, numbers
from expunge.report.answers import answer_tables
from expunge.report.audits.shown import compared, group_glossary, shown_audits
from expunge.report.extrapolated import READING, extrapolated_of
from expunge.report.headline import headline
from expunge.report.located import masks_of, notes_of, pictures_of, reading_of, table_of
from expunge.report.norms import norms_picture
from expunge.report.relations.shown import shown_relations
from expunge.report.settings import all_settings, differing_settings
from expunge.report.svg import mark, picture
from expunge.report.tables import readings, set_tables
from expunge.report.trajectory import against_each_other, learnt_over_steps, over_steps
from expunge.report.view import Column, Group, grouped, set_title

_OWN = "expunge.report"


def to_html(records: Sequence[Record]) -> str:
    """The whole page; the same text for the same records."""
    groups = grouped(records)
    audits = shown_audits(groups)
    return environment().get_template("page.html").render(
        title=title_of(records), style=style("style.css", *(("audit.css",) if audits else ())),
        groups=[_shown(group) for group in groups],
        audits=audits, compared=compared(groups), glossary=[group_glossary(groups, group) for group in groups],
        set_title=set_title, version=records[0].versions.get("expunge", ""),
    )  # fmt: skip


def title_of(records: Sequence[Record]) -> str:
    models = list(dict.fromkeys(r.model.name for r in records if r.model))
    if records and all(any(info.role == "train" for info in r.sets.values()) for r in records):
        return f"What {models[0] if len(models) == 1 else 'each model'} was taught, and what it cost"
    if records and all(r.audit for r in records):
        after = {str(r.configuration.get("after") or "the model") for r in records}
        return f"What {after.pop() if len(after) == 1 else 'each model'} still knows, and what it kept"
    if records and all(r.circuits for r in records):
        return f"What carries it in {models[0] if len(models) == 1 else 'each model'}, and what else that carries"
    if records and all(r.mask for r in records):
        by = list(dict.fromkeys(r.mask.localizer or "its maker" for r in records if r.mask))
        who = numbers.listed(by) if len(by) < 4 else f"{len(by)} localizers"
        return f"Where {models[0] if len(models) == 1 else 'each model'} holds it, by {who}"
    if records and all(r.related for r in records):
        return f"What hangs together in {numbers.listed(models or ['the model'])}"
    if any(r.methods for r in records):
        return f"What {models[0] if len(models) == 1 else 'each model'} forgot, what it kept, and what it cost"
    return f"What {numbers.listed(models or ['the model'])} know{'s' if len(models) < 2 else ''}"


def style(*sheets: str) -> Markup:
    """The style sheets that a page carries in itself."""
    folder = resources.files("expunge.report").joinpath("templates")
    return Markup("".join(folder.joinpath(sheet).read_text("utf-8") for sheet in sheets))


def environment(package: str = _OWN) -> Environment:
    """Templates of a package, and those here that it includes: everything escaped, numbers as people read them."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_OWN)]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finalize,
    )  # fmt: skip
    environment.filters.update(
        number=numbers.number, percent=numbers.percent, duration=numbers.duration, size=numbers.size,
        tight=tight, tick=numbers.tick, command=command_line, sign=sign,
    )  # fmt: skip
    return environment


def _finalize(value: Any) -> Any:
    return numbers.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shown(group: Group) -> dict[str, Any]:
    changes = [(c, c.outcome.change) for c in group.after if c.outcome and c.outcome.change]
    return {
        "group": group,
        "lines": [(c, lines) for c in group.judged if (lines := headline(group, c))],
        "own": own_lines(group),
        "notices": notices(group),
        "tables": set_tables(group),
        "readings": [] if any(r.audit for r in group.records) else readings(group),
        "answers": answer_tables(group),
        "steps": [(c, over_steps(c)) for c in group.after if over_steps(c)],
        "learnt": [(c, drawing) for c in group.after if (drawing := learnt_over_steps(c))],
        "against": against_each_other(group.after),
        "settings": differing_settings(group.after),
        "all_settings": all_settings(group),
        "norms": [(c, norms_picture(change, c.label)) for c, change in changes],
        "extrapolated": extrapolated_of(group),
        "extrapolated_read": READING,
        "relations": shown_relations(group),
        **_masks(group),
        "circuits": _circuits(group),
    }  # fmt: skip


def _masks(group: Group) -> dict[str, Any]:
    masks = masks_of(group)
    return {
        "masks": masks, "masks_drawn": pictures_of(masks), "masks_read": reading_of(masks),
        "masks_table": table_of(masks), "masks_notes": notes_of(masks),
    }  # fmt: skip


def _circuits(group: Group) -> dict[str, Any]:
    """Of the one record that looked for circuits; empty where none did."""
    found = next((record.circuits for record in group.records if record.circuits is not None), None)
    if found is None:
        return {}
    return {
        "classes": circuit_pictures.classes_picture(found), "classes_table": circuits.classes_table(found),
        "circuits": [
            (f"The {each.title} circuit.", circuit_pictures.circuit_picture(found, each)) for each in found.circuits
        ],
        "circuits_table": circuits.circuits_table(found), "curves": circuit_pictures.curves_picture(found),
        "why": circuits.why_told(found), "reading": circuits.READING, "gates_reading": circuits.GATES_READING,
        "curves_reading": circuits.CURVES_READING, "why_reading": circuits.WHY_READING, "meaning": circuits.MEANING,
    }  # fmt: skip


def own_lines(group: Group) -> list[str]:
    """What the records say themselves about several methods, or about none; of several masks a table does."""
    said = {line for r in group.records if r.audit for line in r.audit.verdict}  # stands on the audit's own page
    own = [r for r in group.records if len(r.methods) != 1 and (r.mask is None or len(group.records) == 1)]
    return [line for r in own for line in r.headline if line not in said]


def notices(group: Group) -> list[str]:
    """Runs that did not end well, and every warning once."""
    ends = {
        "running": "had not ended when its record was written",
        "failed": "failed",
        "interrupted": "was interrupted",
    }
    found = [
        f"the run {ends[r.status]}; the numbers are what it had reached" for r in group.records if r.status in ends
    ]
    found += [w for r in group.records for w in (*r.warnings, *(w for o in r.methods.values() for w in o.warnings))]
    return list(dict.fromkeys(found))


def command_line(record: Record) -> str:
    """As it was typed."""
    words = tuple(record.command.split())  # `world make` is two
    start = () if record.arguments[: len(words)] == words else words
    return "expunge " + shlex.join((*start, *record.arguments))


def tight(words: str) -> str:
    """No line break between a number and its unit."""
    return re.sub(r"(?<=\d) (?=%|(?:s|min|h|GiB|MiB)\b)", "\u00a0", words)


def sign(column: Column) -> Markup:
    """The column's mark, for a legend; what it means stands beside it."""
    drawn = mark(7, 7, column.colour, hollow=column.colour == 0)
    return Markup('<span class="sign">{}</span>').format(picture(14, 14, column.label, "", [drawn]))
