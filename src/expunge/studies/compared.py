"""Several paired comparisons judged together: each by `paired.py`, p-values corrected over a family by `holm.py`.

A finding is what holds after the correction: "differ", "equivalent" within the margin, "identical" where no seed shows
any difference, else "unresolved". Tests of a difference and of equivalence are corrected apart, each over the family.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from expunge.report.numbers import number, signed
from expunge.studies.holm import holm
from expunge.studies.page import Table
from expunge.studies.paired import LEVEL, Paired, paired, sentence


@dataclass(frozen=True)
class Compared:
    """One condition minus another."""

    name: str
    found: Paired
    values: tuple[float, ...]  # differences, seed by seed
    holm: float = field(default=1.0, kw_only=True)  # the p-value, corrected over its family
    tost_holm: float | None = field(default=None, kw_only=True)  # that of equivalence; None without spread

    @property
    def finding(self) -> str:
        """After the correction."""
        if not any(self.values):
            return "identical"
        if self.holm <= LEVEL:
            return "differ"
        return "equivalent" if self.tost_holm is not None and self.tost_holm <= LEVEL else "unresolved"

    def told(self, names: tuple[str, str], unit: str) -> str:
        """The same finding as a sentence."""
        return sentence(self.found, names, unit, corrected=(self.holm, self.tost_holm))


C = TypeVar("C", bound=Compared)
Difference = tuple[Paired, tuple[float, ...]]


def minus(one: Mapping[int, float], other: Mapping[int, float], margin: float) -> Difference | None:
    """Over the seeds (keys) that have both, and the differences; None for fewer than two.

    >>> found, values = minus({0: 0.5, 1: 0.75, 2: 1.0}, {0: 0.25, 1: 0.25}, margin=0.05)
    >>> found.n, values
    (2, (0.25, 0.5))
    """
    both = sorted(one.keys() & other.keys())
    if len(both) < 2:
        return None
    found = paired([one[seed] for seed in both], [other[seed] for seed in both], margin=margin)
    return found, tuple(one[seed] - other[seed] for seed in both)


def compared(pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]], margin: float) -> list[Compared]:
    """First minus second of each, one family. Those with one seed are left out."""
    found = {name: minus(dict(enumerate(a)), dict(enumerate(b)), margin) for name, (a, b) in pairs.items()}
    return corrected([Compared(name, *each) for name, each in found.items() if each is not None])


def corrected(several: Sequence[C], family: Callable[[C], Hashable] = lambda _: None) -> list[C]:
    """With Holm's correction over each family, in the order given."""
    p: dict[str, float] = {}
    tost: dict[str, float] = {}
    for own in dict.fromkeys(map(family, several)):
        members = {str(i): each.found for i, each in enumerate(several) if family(each) == own}
        p |= holm({name: found.p for name, found in members.items()})
        tost |= holm({name: found.tost_p for name, found in members.items() if found.tost_p is not None})
    return [replace(each, holm=p[str(i)], tost_holm=tost.get(str(i))) for i, each in enumerate(several)]


def power(several: Iterable[Compared], unit: str, scale: Callable[[float], float] = float) -> list[str]:
    """What was too small to be found, as a sentence; none without comparisons. `scale` gives the unit."""
    least = [scale(each.found.detectable) for each in several if each.found.detectable is not None]
    if not least:
        return []
    return [
        f"Effects below {number(min(least))} to {number(max(least))} {unit}, by comparison, are found less than 4 "
        "times in 5 by a single test, from the spread seen here; after Holm's correction they must be larger."
    ]


def judged_table(
    several: Iterable[tuple[str, Compared]], heads: tuple[str, str, str], caption: str, *, equivalence: bool = False,
    tested: bool = True,
) -> Table:  # fmt: skip
    """A row for each, by its label; `heads` are those of the labels and of both sides. `tested`: with p-values and the
    finding; seeds of one model show how far order and rows matter, and prove nothing of models."""
    first, one, other = heads
    if not tested:
        rows = [[label, str(c.found.n), *map(number, c.found.means), spread_of(c)] for label, c in several]
        return Table([first, "Seeds", one, other, "Difference ± sd"], rows, caption)
    rows = [[label, *_cells(each, equivalence=equivalence)] for label, each in several]
    more = ["TOST p", "TOST Holm", "Detectable"] if equivalence else []
    head = [first, "Seeds", one, other, "Difference", "95 %", "t p", "Sign-flip p", "Holm", *more, "Finding"]
    return Table(head, rows, caption)


def spread_of(each: Compared) -> str:
    """The difference with its standard deviation over seeds."""
    return f"{signed(each.found.difference)} ± {number(each.found.sd)}"


def _cells(each: Compared, *, equivalence: bool) -> list[str]:
    found = each.found
    return [
        str(found.n), *map(number, found.means), signed(found.difference), reach(found), number(found.t_p),
        number(found.permutation_p), number(each.holm),
        *([number(found.tost_p), number(each.tost_holm), number(found.detectable)] if equivalence else []),
        each.finding,
    ]  # fmt: skip


def reach(found: Paired) -> str:
    """The interval of the difference."""
    return "–" if found.interval is None else f"{signed(found.interval[0])} to {signed(found.interval[1])}"
