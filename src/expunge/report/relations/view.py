"""What a record of `expunge relate` shows, arranged: the whole matrix, pairs of sets, rows put together for the eye."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

from expunge.record import Record
from expunge.record_related import Knowledge, Related, RelatedRow
from expunge.report.numbers import short
from expunge.report.view import Group, set_title

MOST = 48  # rows of a picture: more cannot be told apart
LABEL = 28  # letters of a row's name


Matrix = list[list[float]]


@dataclass(frozen=True, eq=False)
class Relations:
    """One record's; `matrix` is symmetric, NaN where a gradient was zero."""

    label: str
    related: Related
    titles: dict[str, str]  # set → for people
    matrix: Matrix

    @property
    def rows(self) -> tuple[RelatedRow, ...]:
        return self.related.rows

    def places(self, name: str) -> list[int]:
        """The rows of a set."""
        return [i for i, row in enumerate(self.rows) if row.set == name]

    @property
    def others(self) -> list[str]:
        """The sets beside the one that is to go."""
        return [name for name in dict.fromkeys(row.set for row in self.rows) if name != self.related.forget]

    def lost(self) -> list[tuple[int, RelatedRow, Knowledge]]:
        """What is known of each row outside of the forget set, and its place; those that lost most stand first."""
        if self.related.after is None:
            return []
        pairs = enumerate(zip(self.rows, self.related.after.rows))
        found = [(i, row, each) for i, (row, each) in pairs if row.set != self.related.forget and each.drop is not None]
        return sorted(found, key=lambda each: (-(each[2].drop or 0.0), each[0]))


@dataclass(frozen=True)
class Pairs:
    """The R of one kind of pair."""

    label: str
    values: tuple[float, ...]  # sorted; never empty

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


@dataclass(frozen=True)
class Block:
    """Rows that a picture shows as one."""

    label: str
    set: str
    places: tuple[int, ...]


def relations_of(group: Group) -> list[Relations]:
    """Of each record that has some."""
    found = [record for record in group.records if record.related is not None]
    return [relations(record, _label(record, len(found))) for record in found]


def relations(record: Record, label: str = "") -> Relations:
    """One record, which has been related."""
    assert record.related is not None
    titles = {name: set_title(name, info) for name, info in record.sets.items()}
    names = {row.set for row in record.related.rows}
    return Relations(label, record.related, {n: titles.get(n, n) for n in names}, matrix_of(record.related))


def matrix_of(related: Related) -> Matrix:
    """From the lower triangle; NaN where there is no R."""
    lines = [[nan if value is None else value for value in line] for line in related.cosines]
    return [[*line, *(lower[i] for lower in lines[i + 1 :])] for i, line in enumerate(lines)]


def pairs_of(shown: Relations) -> list[Pairs]:
    """Forget with forget, then with each other set; of one group and of several apart, where there are both."""
    forget, found = shown.related.forget, []
    for name in (forget, *shown.others):
        same, other = [], []
        for i in shown.places(forget):
            for j in shown.places(name):
                if (name != forget or i < j) and isfinite(value := shown.matrix[i][j]):
                    (same if shown.rows[i].group == shown.rows[j].group else other).append(value)
        ends = (", same group", ", other groups") if same and other else ("", "")
        title = f"{shown.titles[forget]} × {shown.titles[name]}"
        found += [Pairs(title + end, tuple(sorted(some))) for end, some in zip(ends, (same, other)) if some]
    return found


def blocks_of(shown: Relations, most: int = MOST) -> list[Block]:
    """Rows by set and group; where there are too many, groups, and where these are too many, neighbouring groups."""
    sets = [shown.related.forget, *shown.others]
    single = [[[i] for i in sorted(shown.places(name), key=lambda i: (shown.rows[i].group, i))] for name in sets]
    lines = single
    if sum(map(len, single)) > most:
        lines = [_joined(several, [shown.rows[one[0]].group for one in several]) for several in single]
    total = sum(map(len, lines))
    if total > most:
        lines = [_joined(several, _shares(len(several), max(1, most * len(several) // total))) for several in lines]
    return [
        Block(_named(shown, places), name, tuple(places)) for name, several in zip(sets, lines) for places in several
    ]


def mean_between(shown: Relations, one: Sequence[int], two: Sequence[int]) -> float:
    """The mean R of the pairs of two blocks, no row with itself; NaN where there is none."""
    finite = [value for i in one for j in two if i != j and isfinite(value := shown.matrix[i][j])]
    return sum(finite) / len(finite) if finite else nan


def row_label(row: RelatedRow) -> str:
    """The group's name where it may stand here, else the id."""
    more = f" (+{row.examples - 1})" if row.examples > 1 else ""
    return (row.name if row.name and row.examples > 1 else row.id) + more


def _joined(several: list[list[int]], keys: Sequence[int]) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for key, places in zip(keys, several):
        found.setdefault(key, []).extend(places)
    return list(found.values())


def _shares(count: int, parts: int) -> list[int]:
    """Which of the parts each of so many belongs to, in order and evenly."""
    return [i * parts // count for i in range(count)]


def _named(shown: Relations, places: Sequence[int]) -> str:
    rows = [shown.rows[i] for i in places]
    groups = len({row.group for row in rows})
    if len(rows) == 1:
        return row_label(rows[0])
    if groups == 1:
        return f"{rows[0].name or rows[0].id} (+{len(rows) - 1})"
    more = f" +{groups - 1} groups"
    return short(rows[0].name or rows[0].id, LABEL - len(more)) + more


def _label(record: Record, count: int) -> str:
    if count < 2:
        return ""
    return record.model.name if record.model else "a model"
