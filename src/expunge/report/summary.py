"""The report as JSON: what the page says, for programs. The records themselves have more."""

import json
from collections.abc import Sequence
from typing import Any

from expunge.record import Measured, Record
from expunge.report.audits.summary import as_json
from expunge.report.audits.view import audits_of
from expunge.report.headline import headline
from expunge.report.located import masks_of
from expunge.report.page import notices, own_lines, title_of
from expunge.report.relations.shown import summary
from expunge.report.relations.view import relations_of
from expunge.report.view import Column, Group, grouped, set_title


def to_json(records: Sequence[Record]) -> str:
    groups = grouped(records)
    content = {
        "format": "expunge-report", "schema_version": 1, "title": title_of(records),
        "groups": [_group(group) for group in groups],
    }  # fmt: skip
    if audits := audits_of(groups):
        content["audits"] = [as_json(audited) for audited in audits]
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="backslashreplace").decode() + "\n"


def _group(group: Group) -> dict[str, Any]:
    return {
        "headline": own_lines(group),
        "warnings": notices(group),
        "runs": [
            {
                "command": r.command,
                "started": r.started,
                "status": r.status,
                "configuration_hash": r.configuration_hash,
            }
            for r in group.records
        ],
        "sets": {
            name: {"title": set_title(name, info), "role": info.role, "n": info.n} for name, info in group.sets.items()
        },
        "models": [_column(group, column) for column in group.columns],
        "masks": [{"label": each.label, **each.info.model_dump(mode="json")} for each in masks_of(group)],
        **({"relations": [summary(each) for each in found]} if (found := relations_of(group)) else {}),
    }


def _column(group: Group, column: Column) -> dict[str, Any]:
    content: dict[str, Any] = {
        "label": column.label,
        "model": column.record.model.name if column.record.model else "",
    }
    if column in group.judged:
        content["headline"] = [
            {"word": line.word, "text": " ".join((line.text, *line.more))} for line in headline(group, column)
        ]
    if column.outcome is not None:
        content["baseline"] = column.baseline.label if column.baseline else None
        content["selection"] = column.outcome.selection.model_dump() if column.outcome.selection else None
    content["results"] = {
        name: {metric: _measured(m) for metric, m in metrics.items()} for name, metrics in column.results.items()
    }
    return content


def _measured(m: Measured) -> dict[str, Any]:
    """Without the examples' values."""
    return m.model_dump(mode="json", exclude={"per_example"})
