"""Utility kept: how much of what must stay is still there.

    u(set) = ( mean answer probability + mean ROUGE-L recall ) / 2        kept(set) = u_after(set) / u_before(set)

Documents have no ROUGE; their utility is the probability alone. Sets that the original hardly knows (u < 0.2) are left
out: a ratio of two guesses says nothing. Ours.
"""

from collections.abc import Iterable, Mapping

KNOWS = 0.2
_OF = ("probability", "rouge_l_recall")
Values = Mapping[str, Mapping[str, float]]  # set → metric → value


def utility_kept(before: Values, after: Values, sets: Iterable[str]) -> dict[str, float | None]:
    """Per set; 1 is all of it, more than 1 a gain.

    >>> low, high = {"probability": 0.4, "rouge_l_recall": 0.5}, {"probability": 0.8, "rouge_l_recall": 1.0}
    >>> utility_kept({"retain": high}, {"retain": low}, ["retain"])
    {'retain': 0.5}
    """
    kept: dict[str, float | None] = {}
    for name in sets:
        start, end = utility(before.get(name, {})), utility(after.get(name, {}))
        if start is not None and end is not None and start >= KNOWS:
            kept[name] = end / start
    return kept


def utility(metrics: Mapping[str, float]) -> float | None:
    """Of one set; None where nothing of it was measured."""
    values = [metrics[name] for name in _OF if name in metrics]
    return sum(values) / len(values) if values else None
