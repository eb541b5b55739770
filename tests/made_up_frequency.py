"""Made-up cells of two buckets: what each is after every step is given."""

from collections.abc import Mapping, Sequence
from typing import Any

NEVER = 0.1
FORMS = ("question", "statement")


def point(step: int, low: float, high: float, kept: float = 1.0, beside: float = 1.0, **more: Any) -> dict[str, Any]:
    """Levels of the two buckets, which are also the shares still said of ten facts each; the statement's are the
    same."""
    bucket = lambda level, known: {"level": level, "log": -level, "left": level, "said": level, "known": known}
    form = lambda: {"all": bucket((low + high) / 2, 20.0), "low": bucket(low, 10.0), "high": bucket(high, 10.0)}
    groups: dict[str, Any] = {**{name: form() for name in FORMS}, "retain, test half": {"all": {"level": kept}}}
    groups["neighbours"] = {name: {"level": beside} for name in ("all", "low", "high")}
    return {"step": step, "forget": (low + high) / 2, "utility": kept, "measures": groups, "apart": {}, **more}


def arm(*points: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"points": list(points), "note": "", "turns": [], **more}


def cell(arms: Mapping[str, Any], *, seed: int = 0, size: str = "1M", method: str = "npo") -> dict[str, Any]:
    never = {form: {name: {"level": NEVER, "log": -2.3} for name in ("all", "low", "high")} for form in FORMS}
    buckets = [{"name": "low", "n": 10, "least": 1, "most": 1}, {"name": "high", "n": 10, "least": 9, "most": 27}]
    return {"size": size, "method": method, "seed": seed, "rate": 1e-3, "buckets": buckets, "never": never,
            "choices": 6, "persons": 50, "arms": dict(arms)}  # fmt: skip


def falling(low: Sequence[float], high: Sequence[float], **more: Any) -> dict[str, Any]:
    return arm(*(point(5 * i, a, b) for i, (a, b) in enumerate(zip(low, high, strict=True))), **more)


def alone(bucket: str, *levels: float) -> dict[str, Any]:
    """One bucket by itself: nothing else is measured, and no utility."""
    whole = falling(levels, levels)
    for each in whole["points"]:
        own = {form: {name: each["measures"][form][name] for name in ("all", bucket)} for form in FORMS}
        each |= {"measures": own, "utility": None}
    return whole
