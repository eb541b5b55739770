"""Conditions on an audit, as `--require` takes them: 'never_knew>=0.9', 'known<=0', 'utility>=0.95'."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from expunge.errors import ConfigError
from expunge.record_audit import Audit

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_VALUES: Mapping[str, Callable[[Audit], float | None]] = {
    "never_knew": lambda audit: None if audit.left_out else audit.rate,
    "utility": lambda audit: min((x for x in audit.utility_kept.values() if x is not None), default=None),
    "known": lambda audit: _count(audit, "known"),
    "over_forgotten": lambda audit: _count(audit, "over_forgotten"),
    "unresolved": lambda audit: _count(audit, "unresolved"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """NAME OP VALUE. A value that the audit could not find does not hold."""

    name: str
    sign: str
    value: float

    @property
    def needs_rate(self) -> bool:
        """Only the whole panel gives it."""
        return self.name == "never_knew"

    def holds(self, audit: Audit) -> bool:
        found = _VALUES[self.name](audit)
        return found is not None and _COMPARE[self.sign](found, self.value)

    def said(self, audit: Audit) -> str:
        """What was asked and what there is, for a person."""
        found = _VALUES[self.name](audit)
        there = "cannot be said" if found is None else f"is {found:.3g}"
        if found is None and self.needs_rate and audit.left_out:
            there += f": the panel is incomplete, without {', '.join(audit.left_out)}"
        return f"required {self.name}{self.sign}{self.value:g}, and {self.name} {there}"


def parse(text: str) -> list[Requirement]:
    """Comma-separated conditions. Raises ConfigError for what is none."""
    return [_one(each.strip()) for each in text.split(",") if each.strip()]


def _count(audit: Audit, status: str) -> float | None:
    """Cells of a status; where none could be judged at all, that none is known says nothing."""
    if not any(each.informative for each in audit.families.values()):
        return None
    return sum(getattr(each, status) for each in audit.families.values())


def _one(text: str) -> Requirement:
    found = re.fullmatch(r"(\w+)\s*(>=|<=|==?|>|<)\s*([-+.\deE]+)", text)
    names = ", ".join(_VALUES)
    if found is None:
        raise ConfigError(f"--require {text!r}: expected NAME>=NUMBER, NAME one of {names}")
    name, sign, number = found.groups()
    if name not in _VALUES:
        raise ConfigError(f"--require {text!r}: there is no {name!r}. Known: {names}")
    try:
        return Requirement(name, sign[:1] if sign == "==" else sign, float(number))
    except ValueError:
        raise ConfigError(f"--require {text!r}: {number!r} is no number") from None
