"""The part of a record that says how related knowledge is by gradients, and what went with the forget set.

    Related
    ├── rows: [RelatedRow]       whose gradient it is: an example or a group of a set
    ├── cosines: [[R]]           row i has R with rows 0 … i: the lower triangle, rounded to 6 digits
    ├── to_forget: [R]           of each row to the whole forget set; of its own rows to the rest of it
    ├── sets: {set: {set: R}}    of whole sets, the lower triangle with the diagonal
    └── after: WentAlong         of `--after` only: what each row lost, and how that goes with R

A row carries ids and numbers; the name of a group (it may be a person's) only where texts may stand in the record.
"""

from pydantic import BaseModel, ConfigDict

Number = float | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class RelatedRow(_Part):
    """Whose gradient a row is."""

    set: str
    id: str  # of a group that of its first example
    group: int  # rows with the same number belong to the same group, also of different sets
    examples: int = 1
    name: str | None = None  # of the group


class Knowledge(_Part):
    """What a row lost: means over its examples."""

    before: Number  # log-probability an answer token
    after: Number
    said_before: Number  # share of its examples of which every token of the answer is the likeliest
    said_after: Number

    @property
    def drop(self) -> Number:
        return None if self.before is None or self.after is None else self.before - self.after

    @property
    def went(self) -> bool:
        """Said before, and not after: of a group more than half of what was said."""
        before, after = self.said_before or 0.0, self.said_after or 0.0
        return before > 0 and after < before / 2


class Correlation(_Part):
    """Spearman's ρ of drop and R to the forget set."""

    sets: tuple[str, ...]
    n: int  # rows
    groups: int
    rho: Number
    interval: tuple[Number, Number] | None = None
    level: float = 0.95


class WentAlong(_Part):
    """What each row lost between two models. `rows` stand beside those of `Related`."""

    model: str  # as typed
    digest: str = ""
    rows: tuple[Knowledge, ...] = ()
    correlations: tuple[Correlation, ...] = ()


class Related(_Part):
    """What `expunge relate` found."""

    by: str  # "example" or "group"
    forget: str = "forget"  # the set that is to go
    rows: tuple[RelatedRow, ...] = ()
    cosines: tuple[tuple[Number, ...], ...] = ()
    to_forget: tuple[Number, ...] = ()
    sets: dict[str, dict[str, Number]] = {}
    weights: int = 0  # how long a gradient is
    projection: int | None = None  # numbers a gradient; None: all
    error: float = 0.0  # standard error of an R near 0 that projecting brings
    after: WentAlong | None = None
