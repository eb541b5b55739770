"""What the page's template is given of relations."""

from typing import Any

from expunge.report.relations import words
from expunge.report.relations.heat import heat_map, together
from expunge.report.relations.scatter import scatter
from expunge.report.relations.spread import spread_picture
from expunge.report.relations.tables import counts_table, lost_table, nearest_table, sets_table
from expunge.report.relations.view import Relations, pairs_of, relations_of
from expunge.report.view import Group


def shown_relations(group: Group) -> list[dict[str, Any]]:
    """A section for each record of `expunge relate`."""
    return [_section(shown) for shown in relations_of(group)]


def summary(shown: Relations) -> dict[str, Any]:
    """For programs; the record has each row."""
    after = shown.related.after
    return {
        "label": shown.label, "by": shown.related.by, "projection": shown.related.projection,
        "error": shown.related.error, "sets": shown.related.sets,
        "pairs": [{"pairs": p.label, "n": len(p.values), "mean": p.mean} for p in pairs_of(shown)],
        "after": None if after is None else {
            "model": after.model, "correlations": [each.model_dump(mode="json") for each in after.correlations],
        },
    }  # fmt: skip


def _section(shown: Relations) -> dict[str, Any]:
    after = shown.related.after
    return {
        "label": shown.label, "reading": words.READING, "together": together(shown), "heat": heat_map(shown),
        "notes": [*words.notes_of(shown.related), words.MEANING],
        "spread": spread_picture(pairs_of(shown)), "spread_reading": words.SPREAD,
        "sets": sets_table(shown), "sets_reading": words.SETS,
        "nearest": nearest_table(shown), "nearest_reading": words.NEAREST,
        "after": after.model if after else "", "went_reading": words.WENT, "counts": counts_table(shown),
        "scatter": scatter(shown), "signs": words.SIGNS, "lost": lost_table(shown),
    }  # fmt: skip
