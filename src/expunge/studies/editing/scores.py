"""Numbers read from one result.

    selectivity = share of neighbours answered as before - share of the facts still said        asked and reworded alike

1 is a model that says none of the facts and keeps all neighbours. Nothing else counts: what became of other facts, of
the same subject and of the rest, stands beside it. One that lost everything and one that lost nothing are near 0. It
was chosen before anything was run.

    floor held:  mean level of neighbours, others and same subject ≥ floor · that of the unedited model
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from expunge.studies.editing.scene import FORGET, NEIGHBOURS, REWORDED, STAYING

Result = Mapping[str, Any]


def value(result: Result, group: str, measure: str) -> float | None:
    """
    >>> value({"measures": {"asked": {"said": 0.5}}}, "asked", "said")
    0.5
    """
    return result.get("measures", {}).get(group, {}).get(measure)


def selectivity(result: Result) -> float | None:
    """
    >>> rows = {"asked": {"said": 0.0}, "reworded": {"said": 0.5}, "neighbours": {"kept": 0.75}}
    >>> selectivity({"measures": rows})
    0.5
    """
    said = [v for group in (FORGET, REWORDED) if (v := value(result, group, "said")) is not None]
    kept = value(result, NEIGHBOURS, "kept")
    return kept - fmean(said) if said and kept is not None else None


def refused(result: Result) -> float | None:
    """The share of the facts to which the model declines an answer."""
    return value(result, FORGET, "refused")


def keeps_floor(result: Result, unedited: Result, floor: float) -> bool | None:
    """Whether what must stay keeps this share of its level, over the groups that both have; None where there is none.

    >>> before = {"measures": {"neighbours": {"level": 1.0}, "others": {"level": 0.8}}}
    >>> after = {"measures": {"neighbours": {"level": 0.9}, "others": {"level": 0.81}}}
    >>> keeps_floor(after, before, 0.95), keeps_floor(after, before, 0.96)  # 1.71 of 1.8
    (True, False)
    """
    levels = [(value(result, group, "level"), value(unedited, group, "level")) for group in STAYING]
    both = [(one, other) for one, other in levels if one is not None and other is not None]
    if not both:
        return None
    return fmean(one for one, _ in both) >= floor * fmean(other for _, other in both)


def relearned(result: Result) -> float | None:
    """Probability of the half that was not taught again."""
    return attack(result, "relearn", "probability")


def attack(result: Result, name: str, part: str) -> float | None:
    """What an attack got, by the name that begins its text."""
    found = next((each for text, each in result.get("attacks", {}).items() if text.partition(":")[0] == name), {})
    return found.get(part)
