"""All that the page's template needs of an audit."""

from collections.abc import Sequence
from typing import Any

from expunge.report.audits import tables
from expunge.report.audits.bars import CONTROL, ORIGINAL, UNLEARNED, axis, bars
from expunge.report.audits.comparison import comparison, rate_picture, unlike
from expunge.report.audits.curves import curves
from expunge.report.audits.distributions import distributions
from expunge.report.audits.glossary import glossary
from expunge.report.audits.status import LOOKS, tile
from expunge.report.audits.strata import MISALIGNED_HEAD, misaligned, strata
from expunge.report.audits.view import Audited, audits_of, control_word, counts
from expunge.report.audits.words import ceiling, facts, no_rate, rate, rate_name
from expunge.report.svg import mark, picture
from expunge.report.view import Group


def shown_audits(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """In the order of the records; empty where there are none."""
    found = audits_of(groups)
    return [_shown(audited, len(found) > 1) for audited in found]


def compared(groups: Sequence[Group]) -> dict[str, Any]:
    """The table of several audits."""
    found = audits_of(groups)
    return {"rows": comparison(found), "unlike": unlike(found)}


def group_glossary(groups: Sequence[Group], group: Group) -> list[tuple[str, str, str]]:
    """For the end of a group that holds audits."""
    own = [audited for audited in audits_of(groups) if audited.group is group]
    return glossary(own) if own else []


def _shown(audited: Audited, several: bool) -> dict[str, Any]:
    fell, audit = counts(audited.audit), audited.audit
    return {
        "audited": audited, "audit": audit, "group": audited.group, "label": audited.label, "several": several,
        "rate": rate(audit), "rate_name": rate_name(audit), "no_rate": no_rate(audit), "ceiling": ceiling(audit),
        "rate_picture": rate_picture(audited), "facts": facts(audited), "families": tables.family_rows(audited),
        "legend": [(tile(s, s), s, fell[s], look.means) for s, look in LOOKS.items()],
        "models": _models(audited), "bars": bars(audited), "axis": axis(), "distributions": distributions(audited),
        "curves": curves(audited), "family_head": tables.FAMILY_HEAD, "cell_head": tables.cell_head(audited),
        "strata": strata(audited), "misaligned": misaligned(audited), "misaligned_head": MISALIGNED_HEAD,
        "cells": tables.cell_rows(audited), "reported": tables.reported(audited),
        "reported_head": tables.REPORTED_HEAD, "missing": tables.missing(audited), "seconds": tables.seconds(audited),
    }  # fmt: skip


def _models(audited: Audited) -> list[tuple[Any, str, str]]:
    """Sign, word and class of each kind of model, for a legend."""
    words = (("original", ORIGINAL), (f"control ({control_word(audited.audit)})", CONTROL), ("unlearned", UNLEARNED))
    return [
        (picture(14, 14, word, "", [mark(7, 7, model, hollow=model == ORIGINAL)]), word, word.split()[0])
        for word, model in words
        if model != CONTROL or audited.audit.control != "none"
    ]
