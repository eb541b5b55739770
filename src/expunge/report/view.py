"""What a report shows, arranged: records about the same sets stand side by side, as columns.

A column is one model: a starting model ("before") or what a method made of it. Records belong to one group
when their sets are the same (name, number, digest); starting models that are the same model become one
column.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from expunge.record import Measured, Outcome, Record, SetInfo

Results = dict[str, dict[str, Measured]]


@dataclass(frozen=True)
class Column:
    """One model, measured."""

    label: str
    results: Results
    generations: dict[str, tuple[str, ...]]
    record: Record
    baseline: "Column | None" = None  # the starting model of a method's column
    outcome: Outcome | None = None
    colour: int = 0  # 0: what methods started from; everything else counts from 1

    def metric(self, set_name: str, metric: str) -> Measured | None:
        return self.results.get(set_name, {}).get(metric)


@dataclass(frozen=True)
class Group:
    """Records that can be compared: the same examples, measured on different models."""

    records: tuple[Record, ...]
    columns: tuple[Column, ...]

    @property
    def sets(self) -> dict[str, SetInfo]:
        """What must go first, then what must stay and was never trained on, then the rest."""
        order = ["forget", "train", "test", "retain", "twins", "holdout"]
        found = {name: info for record in self.records for name, info in record.sets.items()}
        return dict(sorted(found.items(), key=lambda item: order.index(item[1].role)))

    @property
    def after(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.outcome is not None)

    @property
    def judged(self) -> "tuple[Column, ...]":
        """Whose story the first lines tell: the methods, else the models themselves."""
        return self.after or self.columns

    @property
    def before(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.outcome is None)

    def metrics(self, set_name: str) -> list[str]:
        """The metrics of a set in any column, in the order they were measured."""
        return list(dict.fromkeys(m for c in self.columns for m in c.results.get(set_name, {})))


def set_title(name: str, info: SetInfo) -> str:
    """For people: the forget set is called so."""
    own = info.title if info.title != name else ""
    return own or (f"{name.capitalize()} set" if name == info.role else name)


def grouped(records: Sequence[Record]) -> list[Group]:
    """In the order of the records."""
    groups: dict[tuple[tuple[str, int, str], ...], list[Record]] = {}
    for record in records:
        key = tuple((name, info.n, info.digest) for name, info in sorted(record.sets.items()))
        groups.setdefault(key, []).append(record)
    return [Group(tuple(some), _columns(some)) for some in groups.values()]


def _columns(records: Sequence[Record]) -> tuple[Column, ...]:
    starts: list[Column] = []
    for record in records:
        if record.before and not any(_same_start(column.record, record) for column in starts):
            starts.append(Column(_start_label(records, record), record.before, record.generations, record))
    outcomes = [(name, outcome, r) for r in records for name, outcome in r.methods.items()]
    methods = [
        Column(
            label, outcome.after, outcome.generations, record,
            next((column for column in starts if _same_start(column.record, record)), None), outcome, number,
        )
        for number, (label, (_, outcome, record)) in enumerate(zip(_labels(outcomes), outcomes), start=1)
    ]  # fmt: skip
    if not methods:
        starts = [replace(column, colour=number) for number, column in enumerate(starts, start=1)]
    return (*starts, *methods)


def _same_start(one: Record, two: Record) -> bool:
    return one.model == two.model and one.before == two.before


def _start_label(records: Sequence[Record], record: Record) -> str:
    several = len({r.model.name if r.model else "" for r in records}) > 1
    if record.methods and not several:
        return "before" if record.audit is None else "original"
    return record.model.name if record.model else "measured"


def _labels(outcomes: Sequence[tuple[str, Outcome, Record]]) -> list[str]:
    """The methods' names; of several audits the names of the models that they judge."""
    return numbered([
        str(record.configuration.get("after") or name) if record.audit and len(outcomes) > 1 else name
        for name, _, record in outcomes
    ])  # fmt: skip


def numbered(names: Sequence[str]) -> list[str]:
    """The same names, with a number where one comes more than once.

    >>> numbered(["a", "b", "a"])
    ['a (1)', 'b', 'a (2)']
    """
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if names.count(name) == 1 else f"{name} ({seen[name]})")
    return labels
