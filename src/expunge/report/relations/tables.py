"""Relations as tables: whole sets, the most related of each forget group, what went and what stayed."""

from dataclasses import dataclass

from expunge.report.numbers import number, percent, signed
from expunge.report.relations.view import Relations, mean_between, row_label

NEAREST = 3  # related rows of each group
GROUPS = 40  # groups of the forget set
LOST = 400  # rows of what was lost


@dataclass(frozen=True)
class Table:
    """Head and rows; `more` rows are left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


def sets_table(shown: Relations) -> Table:
    """R of whole sets with one another."""
    names = list(shown.related.sets)
    line = lambda name: [shown.related.sets[name].get(other) for other in names]
    rows = [
        (shown.titles[name], str(len(shown.places(name))), *("" if v is None else number(v) for v in line(name)))
        for name in names
    ]
    return Table(("Set", "Rows", *(shown.titles[name] for name in names)), tuple(rows))


def nearest_table(shown: Relations) -> Table:
    """For each group of the forget set what is most related to it outside of the set: mean R to its rows."""
    groups: dict[int, list[int]] = {}
    for i in shown.places(shown.related.forget):
        groups.setdefault(shown.rows[i].group, []).append(i)
    outside = [i for i, row in enumerate(shown.rows) if row.set != shown.related.forget]
    rows = []
    for places in groups.values():
        found = [(mean_between(shown, places, [j]), j) for j in outside]
        best = sorted((each for each in found if each[0] == each[0]), key=lambda each: (-each[0], each[1]))[:NEAREST]
        first = shown.rows[places[0]]
        label = row_label(first) if len(places) == 1 else f"{first.name or first.id} (+{len(places) - 1})"
        cells = [f"{row_label(shown.rows[j])}, {shown.titles[shown.rows[j].set]}: {number(r)}" for r, j in best]
        rows.append((best[0][0] if best else float("-inf"), (label, *cells, *[""] * (NEAREST - len(cells)))))
    rows.sort(key=lambda each: -each[0])
    shown_rows = tuple(cells for _, cells in rows[:GROUPS])
    return Table(
        ("To go", "Most related", "Second", "Third"), shown_rows if outside else (), max(0, len(rows) - GROUPS)
    )


def lost_table(shown: Relations) -> Table:
    """What is outside of the forget set, by what it lost."""
    lost = shown.lost()
    rows = tuple(
        (
            row_label(row), shown.titles[row.set], number(shown.related.to_forget[i]), signed(k.drop),
            number(k.before), number(k.after), fate(k.said_before, k.went),
        )
        for i, row, k in lost[:LOST]
    )  # fmt: skip
    head = ("Fact", "Set", "R to the forget set", "Drop", "Before", "After", "What became of it")
    return Table(head, rows, max(0, len(lost) - LOST))


def fate(said_before: float | None, went: bool) -> str:
    """In a word or a few."""
    if not said_before:
        return "was not said before"
    return "went along" if went else "stayed"


def counts_table(shown: Relations) -> Table:
    """Of each set: said before, gone, mean drop, and how the drop goes with R."""
    after = shown.related.after
    if after is None:
        return Table((), ())
    by_sets = {correlation.sets: correlation for correlation in after.correlations}
    names = [(name,) for name in shown.others]
    rows = []
    for sets in [*names, *([tuple(shown.others)] if len(names) > 1 else [])]:
        lost = [k for _, row, k in shown.lost() if row.set in sets]
        had = [k for k in lost if k.said_before]
        went = sum(k.went for k in had)
        rho = by_sets.get(sets)
        interval = (
            "" if rho is None or rho.interval is None else f" [{number(rho.interval[0])}, {number(rho.interval[1])}]"
        )
        rows.append((
            "all together" if len(sets) > 1 else shown.titles[sets[0]], str(len(lost)), str(len(had)),
            f"{went} ({percent(went / len(had))})" if had else "–",
            signed(sum(k.drop or 0.0 for k in lost) / len(lost)) if lost else "–",
            "–" if rho is None else f"{number(rho.rho)}{interval}",
        ))  # fmt: skip
    return Table(("Set", "Facts", "Said before", "Went along", "Mean drop", "ρ of drop and R"), tuple(rows))
