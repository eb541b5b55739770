"""The tables of an audit: its families, its cells with all numbers, what was missing, what it took."""

from dataclasses import dataclass

from markupsafe import Markup

from expunge.record_audit import Cell, FamilyResult
from expunge.report.audits.status import named, tile
from expunge.report.audits.view import Audited, why_uninformative
from expunge.report.numbers import duration, number, signed

FAMILY_HEAD = ("Family", "Informative", "Passed", "Known", "Over-forgotten", "Unresolved", "Uninformative", "Verdict")


@dataclass(frozen=True)
class FamilyRow:
    name: str
    tiles: tuple[Markup, ...]  # of its cells, in their order
    passed: str  # "5 of 6"
    verdict: str
    numbers: tuple[str, ...]  # as FAMILY_HEAD, without the name and the verdict


@dataclass(frozen=True)
class CellRow:
    tile: Markup
    title: str
    family: str
    n: str
    k: tuple[str, ...]  # as `Audited.labels`
    gap: str
    gap_bound: str
    excess: str
    excess_bounds: str
    status: str
    note: str


def family_rows(audited: Audited) -> list[FamilyRow]:
    results = audited.audit.families
    return [
        FamilyRow(
            name, tuple(tile(cell.status, _tip(audited, cell)) for cell in cells), _passed(results.get(name)),
            result.verdict if (result := results.get(name)) else "", _numbers(result),
        )
        for name, cells in audited.families.items()
    ]  # fmt: skip


def cell_head(audited: Audited) -> list[str]:
    return ["Cell", "Status", "n", *audited.labels, "Gap", "Excess"]


def cell_rows(audited: Audited) -> list[CellRow]:
    """In the order of the families."""
    return [_cell(audited, cell) for cells in audited.families.values() for cell in cells]


def missing(audited: Audited) -> list[tuple[str, str]]:
    """Attack → why it could not be run."""
    return list(audited.audit.missing.items())


REPORTED_HEAD = ("Number", "Original", "Unlearned", "Retrained", "Goal")


def reported(audited: Audited) -> list[tuple[str, ...]]:
    """Numbers that other projects report, under REPORTED_HEAD."""
    shown = lambda value: "–" if value is None else number(value)
    return [
        (each.name, shown(each.original), shown(each.unlearned), shown(each.retrained), each.goal or "–")
        for each in audited.audit.reported
    ]


def seconds(audited: Audited) -> list[tuple[str, str]]:
    """Attack → what it took on all models."""
    return [(name, duration(each)) for name, each in audited.audit.seconds.items()]


def _passed(result: FamilyResult | None) -> str:
    if result is None:
        return "–"
    return f"{result.passed} of {result.informative}" if result.informative else "none to judge by"


def _numbers(result: FamilyResult | None) -> tuple[str, ...]:
    if result is None:
        return ("–",) * 6
    fields = ("informative", "passed", "known", "over_forgotten", "unresolved", "uninformative")
    return tuple(number(getattr(result, field)) for field in fields)


def _tip(audited: Audited, cell: Cell) -> str:
    said = f"{signed(cell.excess)} over the control" if cell.status != "uninformative" else why_uninformative(cell)
    return f"{audited.title(cell)}: {cell.status}, {said}"


def _cell(audited: Audited, cell: Cell) -> CellRow:
    low, high = cell.excess_bounds or (None, None)
    grey = why_uninformative(cell) if cell.status == "uninformative" else ""
    note = "; ".join(dict.fromkeys(part for part in (grey, cell.note) if part))
    return CellRow(
        tile(cell.status, cell.status), audited.title(cell), cell.family, number(cell.n),
        tuple(number(cell.k.get(label)) for label in audited.labels),
        signed(cell.gap), "" if cell.gap_lower is None else f"≥ {signed(cell.gap_lower)}",
        signed(cell.excess), "" if cell.excess_bounds is None else f"[{signed(low)}, {signed(high)}]",
        named(cell.status), note,
    )  # fmt: skip
