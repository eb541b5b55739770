"""The never-knew rate: in how many ways of asking is an unlearned model like one that never knew?

Knowledge k of original, unlearned and retrained model: o, u, r. With the share δ of the gap that is near enough:

    informative     lower95[ k_o - k_r ] ≥ 0.10                     other cells can be neither passed nor failed
    never-knew      upper95[ k_u - k_r - δ(k_o - k_r) ] < 0   and   lower95[ k_u - k_r + δ(k_o - k_r) ] > 0
    known           lower95[ k_u - k_r - δ(k_o - k_r) ] > 0
    over-forgotten  upper95[ k_u - k_r + δ(k_o - k_r) ] < 0
    unresolved      otherwise; counts as not passed

Two one-sided tests of equivalence (Schuirmann 1987) on the paired bootstrap of `draws.py`: a wide interval cannot pass.
The rate is the mean over families of each family's share of informative cells passed. Ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from expunge.audit.draws import Draws, Sample, Values, bounds, is_constant
from expunge.errors import RunError
from expunge.record_audit import Ceiling, FamilyResult, Status

GAP = 0.10  # the smallest gap of an informative cell


@dataclass(frozen=True)
class Scored:
    """One cell: what every model scored. Without retrained models `controls` holds one sample, of `controls_of`."""

    name: str
    family: str
    original: Sample
    unlearned: Sample
    controls: Mapping[str, Sample]  # "retrained#0" …, "twins" or "holdout"
    of: str = "forget"  # the set that original and unlearned were scored on
    controls_of: str = "forget"  # "twins" or "holdout": other examples, so unpaired
    part: str = ""

    def __post_init__(self) -> None:
        samples = {"the original": self.original, "the unlearned model": self.unlearned, **self.controls}
        if bad := [label for label, each in samples.items() if each.has_nan]:
            where = f"{self.name}{f', {self.part}' if self.part else ''}"
            raise RunError(f"{where}: a score of {bad[0]} is not a number, so that nothing can be judged there")

    @property
    def groups(self) -> int:
        """How many the smallest sample has, on either side."""
        return min(each.n_groups for each in (self.original, *self.controls.values()))


@dataclass(frozen=True)
class Judged:
    """What came out for one cell."""

    status: Status
    gap: float
    gap_lower: float
    excess: float
    excess_bounds: tuple[float, float]


def judge(cell: Scored, draws: Draws, delta: float = 0.2) -> Judged:
    """The definitions above. The point estimate of k_r is the mean over the retrained models."""
    o, u = (draws.knowledge(each, cell.of) for each in (cell.original, cell.unlearned))
    r = draws.mixed([draws.knowledge(each, cell.controls_of) for each in cell.controls.values()])
    never = float(np.mean([each.knowledge for each in cell.controls.values()]))
    gap_lower = bounds(o - r, cell.groups)[0]
    return Judged(
        status=_status(o, u, r, gap_lower, delta, cell.groups),
        gap=cell.original.knowledge - never,
        gap_lower=gap_lower,
        excess=cell.unlearned.knowledge - never,
        excess_bounds=bounds(u - r, cell.groups),
    )


def _status(o: Values, u: Values, r: Values, gap_lower: float, delta: float, groups: int) -> Status:
    if not gap_lower >= GAP:
        return "uninformative"
    margin, same = delta * (o - r), is_constant(u - r)
    above, below = (bounds(each, groups, constant=same) for each in (u - r - margin, u - r + margin))
    if above[1] < 0 and below[0] > 0:
        return "never-knew"
    if above[0] > 0:
        return "known"
    return "over-forgotten" if below[1] < 0 else "unresolved"


def families(statuses: Sequence[tuple[str, Status]]) -> dict[str, FamilyResult]:
    """From (family, status) of each cell, in the order in which families first appear."""
    found: dict[str, list[Status]] = {}
    for family, status in statuses:
        found.setdefault(family, []).append(status)
    return {
        family: FamilyResult(
            informative=sum(status != "uninformative" for status in each), passed=each.count("never-knew"),
            known=each.count("known"), over_forgotten=each.count("over-forgotten"),
            unresolved=each.count("unresolved"), uninformative=each.count("uninformative"),
        )
        for family, each in found.items()
    }  # fmt: skip


def rate(results: Mapping[str, FamilyResult]) -> float | None:
    """The mean over families of the share passed; None where no cell is informative.

    >>> rate({"form": FamilyResult(informative=4, passed=1), "prefix": FamilyResult(informative=1, passed=1)})
    0.625
    """
    shares = [each.passed / each.informative for each in results.values() if each.informative]
    return float(np.mean(shares)) if shares else None


def ceiling(cells: Sequence[Scored], draws: Draws, delta: float = 0.2) -> Ceiling | None:
    """Each retrained model in turn in the unlearned one's place, judged against the others: what can be had at best.

    None with fewer than two retrained models. Each is judged in all cells that it and another one were measured in.
    """
    paired = [cell for cell in cells if cell.controls_of == cell.of]
    labels = list(dict.fromkeys(label for cell in paired for label in cell.controls))
    if len(labels) < 2:
        return None
    usable = [cell for cell in paired if len(cell.controls) > 1]
    rates, counts = [], dict[str, int]()
    for label in labels:
        statuses: list[tuple[str, Status]] = [
            (cell.family, judge(_without(cell, label), draws, delta).status)
            for cell in usable if label in cell.controls
        ]  # fmt: skip
        rates.append(rate(families(statuses)))
        for _, status in statuses:
            counts[status] = counts.get(status, 0) + 1
    known = [each for each in rates if each is not None]
    return Ceiling(
        rate=float(np.mean(known)) if known else None, left_out=f"each of {len(labels)} retrained models in turn",
        rates=tuple(rates), statuses=counts,
    )  # fmt: skip


def _without(cell: Scored, left_out: str) -> Scored:
    others = {label: each for label, each in cell.controls.items() if label != left_out}
    return replace(cell, unlearned=cell.controls[left_out], controls=others)
