"""The verdict in words: what the statuses of an audit's cells say to a person who must decide, and what they do not."""

from collections.abc import Mapping, Sequence

from expunge.record_audit import Audit, FamilyResult

DIRECT = "generation"  # what is said when the trained question is asked
ASKING = ("form", "prefix", "sampling")  # what asking otherwise brings out, the weights as they are

NEVER = "not distinguishable from never known under the attacks tried"
SURFACE_ONLY = "forgotten on the surface"
SUPPRESSED = "suppressed"
KNOWN = "still known"
OVER = "over-forgotten"
UNRESOLVED = "unresolved"
NOTHING = "nothing to judge by"


def of_family(name: str, families: Mapping[str, FamilyResult]) -> str:
    """One family in words, of all that were judged: only beside a silent direct question is what it knows hidden."""
    result = families[name]
    if not result.informative:
        return NOTHING
    if result.known:
        return KNOWN if not _silent(families) else SURFACE_ONLY if name in ASKING else SUPPRESSED
    if result.over_forgotten:
        return OVER
    return NEVER if result.passed == result.informative else UNRESOLVED


def overall(families: Mapping[str, FamilyResult]) -> str:
    """The whole in the same words: what is known anywhere weighs more than what is gone elsewhere.

    "On the surface" and "suppressed" say that a direct question brings nothing out, which has to be shown.
    """
    judged = {name: each for name, each in families.items() if each.informative}
    if not judged:
        return NOTHING
    known = {name for name, each in judged.items() if each.known}
    if known and not _silent(families):
        return KNOWN
    if known & set(ASKING):
        return SURFACE_ONLY
    if known:  # finding the answer likely, without saying it, is among this
        return SUPPRESSED
    if any(each.over_forgotten for each in judged.values()):
        return OVER
    return NEVER if all(each.passed == each.informative for each in judged.values()) else UNRESOLVED


def _silent(families: Mapping[str, FamilyResult]) -> bool:
    """Asked as in training it was seen to say nothing that a model which never knew does not say."""
    direct = families.get(DIRECT)
    return direct is not None and direct.informative > 0 and not direct.known and not direct.unresolved


_UNASKED = "It still knows it; whether it gives it when asked directly could not be judged."
_MEANING = {
    NEVER: "In every family, what the model gives is what a model that never saw the data gives.",
    SURFACE_ONLY: "Asked as in training it does not say it; asked otherwise, it does.",
    SUPPRESSED: "It no longer says it, but it is still in the weights and comes back.",
    KNOWN: "It still gives it when asked directly.",
    OVER: "It gives less than a model that never saw the data would: that marks what was removed and may harm more.",
    UNRESOLVED: "The data are too few, or too varied, to tell it from a model that never knew and from one that knows.",
    NOTHING: "No cell tells the original from a model that never knew, so nothing can be passed or failed.",
}  # fmt: skip


def sentences(audit: Audit) -> tuple[str, ...]:
    """The first lines: the verdict, what it means, and where the knowledge shows."""
    verdict = overall(audit.families)
    told = DIRECT in audit.families and audit.families[DIRECT].known > 0
    meaning = _UNASKED if verdict == KNOWN and not told else _MEANING[verdict]
    lines = [f"{verdict[0].upper()}{verdict[1:]}. {meaning}"]
    for what, words in ((KNOWN, "Known"), (OVER, "Over-forgotten"), (UNRESOLVED, "Unresolved")):
        field = {KNOWN: "known", OVER: "over_forgotten", UNRESOLVED: "unresolved"}[what]
        found = [f"{name} ({getattr(each, field)} of {each.informative})" for name, each in audit.families.items()
                 if getattr(each, field)]  # fmt: skip
        if found:
            lines.append(f"{words} in {', '.join(found)}.")
    return tuple(lines)


def cannot_say(audit: Audit, rows: int, missing: Sequence[str] = (), further: Sequence[str] = ()) -> tuple[str, ...]:
    """What this audit does not prove. `further` are sentences about the case at hand."""
    lines = ["That no other attack brings it back: the verdict is about those that were tried."]
    if audit.control == "none":
        lines.append(
            "What a model that never knew would give: there is no retrained model, and no twins or holdout set "
            "stand in for one, so that nothing can be judged."
        )
    elif audit.control != "retrained models":
        stand = "never-seen twins" if audit.control == "twins" else "the holdout set"
        lines.append(
            f"What a model retrained without the forget set would give: {stand}, asked of the original model, stand in "
            "for it, and may be easier or harder than the forget set."
        )
    elif audit.ceiling is None and audit.retrained < 2:
        lines.append(
            "How far apart retrained models are: there is one, so there is no ceiling to compare the rate with."
        )
    if rows < 200:
        lines.append(f"Much, from {rows} examples: small differences need 200 or more, and stay unresolved here.")
    if audit.rate is None and "," in audit.panel:
        several = " and the ceiling to compare it with" if audit.retrained > 1 else ""
        lines.append(f"A never-knew rate{several}: that needs the full panel, with every family in it.")
    if missing:
        lines.append(f"Anything about {', '.join(missing)}: they could not be run.")
    return (*lines, *further)
