"""An audit as JSON, for programs: the numbers of the page, without the examples' scores."""

from typing import Any

from expunge.record_audit import Cell
from expunge.report.audits.distributions import distances, is_graded
from expunge.report.audits.glossary import glossary
from expunge.report.audits.view import Audited, band, control, counts
from expunge.report.audits.words import ceiling, facts, no_rate


def as_json(audited: Audited) -> dict[str, Any]:
    audit = audited.audit
    return {
        "label": audited.label,
        **audit.model_dump(mode="json", exclude={"cells"}),
        "why_no_rate": no_rate(audit),
        "ceiling_in_words": ceiling(audit),
        "facts": [{"word": line.word, "text": " ".join((line.text, *line.more))} for line in facts(audited)],
        "cells_by_status": dict(counts(audit)),
        "audit_seconds": audited.record.seconds,
        "peak_memory": audited.record.peak_memory,
        "cells": [_cell(audited, cell) for cell in audit.cells],
        "glossary": [
            {"title": title, "direction": direction, "reads": reads} for title, direction, reads in glossary([audited])
        ],
    }


def _cell(audited: Audited, cell: Cell) -> dict[str, Any]:
    original, unlearned = distances(cell) if is_graded(cell) else (None, None)
    return {
        "title": audited.title(cell),
        **cell.model_dump(mode="json", exclude={"scores"}),
        "control": control(cell),
        "band": band(cell, audited.audit.delta),
        "distance": {"original": original, "unlearned": unlearned},
    }
