"""The audits of a group of records, and what is read off a cell: its title, its control, the band of equivalence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from expunge.record import Record
from expunge.record_audit import Audit, Cell, Status
from expunge.report.numbers import signed, tick
from expunge.report.tables import metric_title
from expunge.report.view import Column, Group, numbered

INFORMATIVE = 0.10  # the lower bound of the gap from which on a cell is informative: of the panel's definition
OWN = ("original", "unlearned")


@dataclass(frozen=True)
class Audited:
    """One audit with its surroundings."""

    record: Record
    audit: Audit
    group: Group
    label: str  # the unlearned model, as typed
    column: Column | None  # what the metrics say of it

    def title(self, cell: Cell) -> str:
        """For people, with the part where an attack has several."""
        return f"{metric_title([self.record], cell.name)}{': ' if cell.part else ''}{cell.part}"

    @property
    def families(self) -> dict[str, list[Cell]]:
        """In the order of the record's families, then of the cells."""
        found: dict[str, list[Cell]] = {name: [] for name in self.audit.families}
        for cell in self.audit.cells:
            found.setdefault(cell.family, []).append(cell)
        return found

    @property
    def labels(self) -> list[str]:
        """The models, the original first and the unlearned last."""
        found = list(dict.fromkeys(label for cell in self.audit.cells for label in cell.k))
        order = {"original": 0, "unlearned": 2}
        return sorted(found, key=lambda label: order.get(label, 1))


def audits_of(groups: Sequence[Group]) -> list[Audited]:
    """All of them, in the order of the groups; models of one name are numbered."""
    found = [(group, record, record.audit) for group in groups for record in group.records if record.audit]
    labels = numbered([str(record.configuration.get("after") or "unlearned") for _, record, _ in found])
    return [
        Audited(record, audit, group, label, next((c for c in group.after if c.record is record), None))
        for (group, record, audit), label in zip(found, labels)
    ]


def counts(audit: Audit) -> dict[Status, int]:
    """Status → cells."""
    return {status: sum(cell.status == status for cell in audit.cells) for status in get_args(Status)}


def controls(cell: Cell) -> dict[str, float]:
    """The models that never knew, or what stands in for them."""
    return {label: k for label, k in cell.k.items() if label not in OWN and k is not None}


def control(cell: Cell) -> float | None:
    """What a model that never knew shows: the mean over the controls."""
    found = list(controls(cell).values())
    return sum(found) / len(found) if found else None


def control_word(audit: Audit) -> str:
    """What the control is, in a legend.

    >>> control_word(Audit(panel="v1", delta=0.2, draws=2000, control="twins"))
    'never-seen twins'
    """
    return {"retrained models": "retrained", "twins": "never-seen twins", "holdout": "holdout set", "none": "none"}[
        audit.control
    ]


def band(cell: Cell, delta: float) -> tuple[float, float] | None:
    """control ± δ · gap: where a model counts as one that never knew."""
    middle = control(cell)
    if middle is None or cell.gap is None:
        return None
    reach = delta * abs(cell.gap)
    return middle - reach, middle + reach


def why_uninformative(cell: Cell) -> str:
    """Why this cell is not counted."""
    if cell.gap is None:
        return cell.note or "there is nothing to compare with"
    bound = f" (≥ {signed(cell.gap_lower)})" if cell.gap_lower is not None else ""
    return f"gap {signed(cell.gap)}{bound}; {tick(INFORMATIVE)} is needed"
