"""The part of an audit that says how it stands with rare and frequent facts, and whether two judgements agree.

Strata
├── buckets: [Stratum]       of the counts of a set, from rare to frequent
└── cells: [StratifiedCell]  values bucket by bucket, and the slope of what is left on log10(1 + count)
Misaligned                   generation against a probability test, on all or in one bucket
"""

from pydantic import BaseModel, ConfigDict

Number = float | None
Interval = tuple[Number, Number] | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stratum(_Part):
    """One bucket; without `least` and `most` the examples that have no count."""

    name: str
    n: int
    least: int | float | None = None
    most: int | float | None = None


class InBucket(_Part):
    """A cell in one bucket. Intervals are two-sided, at 95 %; None where there are too few groups for one."""

    n: int
    k: dict[str, Number] = {}  # "original", "control" (the mean of the controls), "unlearned" → knowledge
    intervals: dict[str, Interval] = {}
    excess: Number = None  # k_unlearned - k_control
    excess_interval: Interval = None


class Slope(_Part):
    """By how much knowledge changes with a tenfold count; of a proxy, from its rarest to its most frequent fact."""

    value: Number = None
    interval: Interval = None


class StratifiedCell(_Part):
    """One metric or attack in all buckets, those where it has no example with n = 0."""

    name: str
    family: str
    part: str = ""
    values: tuple[InBucket, ...]  # as `Strata.buckets`
    original: Slope = Slope()  # of what the original knows over the control
    residual: Slope = Slope()  # of what is left over the control


class Strata(_Part):
    """One set."""

    set: str
    by: str = "count"  # or a proxy
    buckets: tuple[Stratum, ...]
    cells: tuple[StratifiedCell, ...]


class Misaligned(_Part):
    """As `evaluate.misalignment`: of the items that passed both tests before, the shares that fail them after."""

    set: str
    test: str  # of probability
    bucket: str = ""  # "": all
    n: int
    M: float
    D: float
    generation: float
    probability: float
    correlation: Number = None  # Spearman's, of what each item lost by the two tests
    phi: Number = None  # of what is forgotten by the two
    M_interval: Interval = None  # two-sided, at 95 %; None where there are too few groups
    D_interval: Interval = None
    correlation_interval: Interval = None
