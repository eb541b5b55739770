"""The first page of an audit in words: the rate or why there is none, the ceiling, the cost, how the cells fell."""

from expunge.record_audit import Audit
from expunge.report.audits.view import Audited, counts
from expunge.report.headline import Line, asked_directly, cost
from expunge.report.numbers import duration, listed, number, percent, size
from expunge.report.view import set_title


def rate(audit: Audit) -> str:
    """The number, or the words in its place."""
    return "no rate" if audit.rate is None else percent(audit.rate)


def rate_name(audit: Audit) -> str:
    return f"{audit.rate_name[:1].upper()}{audit.rate_name[1:]}"


def no_rate(audit: Audit) -> str:
    """Why there is none; "" where there is one."""
    if audit.rate is not None:
        return ""
    if "," in audit.panel:
        part = audit.panel.partition(", ")[2]
        return (
            f"the panel is {part}, and a rate of a part of the panel could be made to say anything. Run the full panel"
            + (", with a control in every family." if part.startswith("without") else ".")
        )
    if audit.control == "none":
        return "there is no model that never knew, and no twins or holdout set, to compare with."
    return (
        "nothing was informative. In no cell did the original show measurably more than a model that never knew, so "
        "there was nothing to see forgotten."
    )


def ceiling(audit: Audit) -> str:
    """What can be had at best, as a sentence."""
    best = audit.ceiling
    if best is None or best.rate is None:
        what = (
            "the full panel" if audit.retrained > 1 else "two or more retrained models, each judged against the others"
        )
        needs = f"that takes {what}"
        return f"There is no ceiling to compare with: {needs}. Do not expect 100 %."
    rates = [each for each in best.rates if each is not None]
    spread = f" ({percent(min(rates))} to {percent(max(rates))})" if len(rates) > 1 else ""
    return f"A model that never saw it reaches {percent(best.rate)}{spread}; that is the goal, not 100 %."


def facts(audited: Audited) -> list[Line]:
    """What stands beside the rate, always."""
    audit = audited.audit
    lines = [
        Line("Not a headline", f"{'; '.join(audit.not_headline)}.") if audit.not_headline else None,
        _asked(audited),
        Line("Utility kept", kept(audited)) if audit.utility_kept else None,
        Line("Worst cell", audit.worst) if audit.worst else None,
        Line("Cells", f"{fallen(audit)}."),
        Line("Cost", *_cost(audited)),
    ]
    return [line for line in lines if line is not None]


def kept(audited: Audited) -> str:
    """The share of the original's utility on each set; above 100 % it is shown as it is."""
    return "; ".join(f"{title} {share}" for title, share in shares(audited))


def shares(audited: Audited) -> list[tuple[str, str]]:
    """Set → share of the original's utility."""
    sets = audited.group.sets
    return [
        (set_title(name, sets[name]) if name in sets else name, "–" if share is None else percent(share))
        for name, share in audited.audit.utility_kept.items()
    ]


def fallen(audit: Audit) -> str:
    """How many cells fell where."""
    found = counts(audit)
    total = len(audit.cells)
    parts = listed([f"{number(n)} {status}" for status, n in found.items()])
    return f"{number(total)} cell{'s' * (total != 1)}: {parts}"


def _asked(audited: Audited) -> Line | None:
    line = asked_directly(audited.group, audited.column) if audited.column else None
    return Line("Asked directly", line.text, line.more) if line else None


def _cost(audited: Audited) -> tuple[str, tuple[str, ...]]:
    """Of the audit, and of the unlearning where the record has it."""
    record, attacks = audited.record, sum(audited.audit.seconds.values())
    whole = sum(record.seconds.values())
    parts = [f"The audit took {duration(whole or attacks)}"]
    if whole and attacks:  # those of models that were audited before came from the store
        took = duration(attacks)
        parts[0] += f", {took} of it in attacks" if attacks <= whole else f"; its attacks took {took} when run"
    if record.peak_memory:
        parts.append(f"{size(record.peak_memory)} of memory at most")
    unlearning = cost(audited.column) if audited.column else None
    return f"{'; '.join(parts)}.", (f"Unlearning: {unlearning.text}",) if unlearning else ()
