"""The part of a record that an audit fills: cells, families, the never-knew rate, the verdict.

    Audit
    ├── cells: [Cell]            one metric or attack on the forget set, of all models
    ├── families: {family: FamilyResult}
    ├── rate, ceiling            of the unlearned model, and of a retrained one left out against the others
    ├── strata, misaligned       by frequency; generation against probability (`record_strata.py`)
    └── verdict, cannot_say      in words

Knowledge k is oriented so that higher knows more, from 0 to 1. Model labels are "original", "unlearned" and
"retrained#0", "retrained#1" …; a control without retrained models is "twins" or "holdout".
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from expunge.record_strata import Misaligned, Strata

Number = float | None
Status = Literal["never-knew", "known", "over-forgotten", "unresolved", "uninformative"]
Control = Literal["retrained models", "twins", "holdout", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Cell(_Part):
    """One metric or attack, judged."""

    name: str  # of the metric or attack: "extraction_strength", "prefix"
    family: str
    part: str = ""  # of an attack with several findings: "wording 2", "4 bit"
    n: int  # examples
    k: dict[str, Number] = {}  # model → knowledge
    gap: Number = None  # k_original - k_control
    gap_lower: Number = None  # its one-sided 95 % lower bound
    excess: Number = None  # k_unlearned - k_control
    excess_bounds: tuple[Number, Number] | None = None  # its one-sided 95 % lower and upper bounds
    status: Status = "uninformative"
    scores: dict[str, tuple[Number, ...]] = {}  # model → per example, in the order of the data
    curves: dict[str, tuple[tuple[float, float], ...]] = {}  # model → (what was varied, mean score)
    note: str = ""


class FamilyResult(_Part):
    """The cells of one family together."""

    informative: int
    passed: int
    known: int = 0
    over_forgotten: int = 0
    unresolved: int = 0
    uninformative: int = 0
    verdict: str = ""  # in words


class Ceiling(_Part):
    """A retrained model left out and judged against the others: what can be had at best."""

    rate: Number  # the mean of `rates`
    left_out: str  # who, in words
    rates: tuple[Number, ...] = ()  # with each retrained model left out
    statuses: dict[str, int] = {}  # status → cells, over all of them


class Reported(_Part):
    """A number that other projects report; no cell, and no part of the rate. None: it cannot be computed."""

    name: str
    original: Number = None
    unlearned: Number = None
    retrained: Number = None
    goal: str = ""


class Audit(_Part):
    """What an audit found."""

    panel: str  # "v1"; "v1, quick" and "v1, chosen" print no rate
    delta: float
    draws: int
    control: Control
    cells: tuple[Cell, ...] = ()
    families: dict[str, FamilyResult] = {}
    left_out: tuple[str, ...] = ()  # of the panel: what gave no cell with a control
    rate: Number = None  # None: the panel is not whole, or nothing is informative
    rate_name: str = "never-knew rate"  # says so where twins or a holdout stand in, or the panel is incomplete
    not_headline: tuple[str, ...] = ()  # why the rate is no headline, in words
    ceiling: Ceiling | None = None
    worst: str = ""  # the cell with the largest excess over the control, named
    utility_kept: dict[str, Number] = {}  # set → share of the original's utility
    reported: tuple[Reported, ...] = ()
    strata: tuple[Strata, ...] = ()  # by frequency, of sets whose examples have counts
    misaligned: tuple[Misaligned, ...] = ()  # generation against probability
    verdict: tuple[str, ...] = ()  # for a person who must decide
    cannot_say: tuple[str, ...] = ()  # what this audit does not prove
    missing: dict[str, str] = {}  # attack that could not be run → why
    seconds: dict[str, float] = {}  # attack → of all models

    @property
    def retrained(self) -> int:
        """How many retrained models there are."""
        return len({label for cell in self.cells for label in cell.k if label.startswith("retrained")})
