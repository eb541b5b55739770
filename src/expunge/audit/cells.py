"""From what was seen of each model to the cells of an audit, judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from expunge.attacks import Finding, attacks
from expunge.audit.draws import Draws, Sample
from expunge.audit.never_knew import Scored, judge
from expunge.audit.panel import MEMBERSHIP, METRICS
from expunge.config import parse_name
from expunge.data.example import Example
from expunge.record_audit import Cell, Control

PerExample = Mapping[str, Sequence[float]]  # metric → one value an example


@dataclass(frozen=True)
class Seen:
    """One model: its metrics by set, its findings by attack (on the attacked set)."""

    metrics: Mapping[str, PerExample]
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """What the cells are made of. Labels: "original", "unlearned", "retrained#0" …; `control` stands for the latter."""

    models: Mapping[str, Seen]
    sets: Mapping[str, Sequence[Example]]  # title → examples, of every set that a cell may be on
    attacked: str  # the set that attacks are made on
    forget: tuple[str, ...]  # every set of what must go
    members: str = "forget"  # the set whose membership is tested against "holdout"
    control: Control = "none"
    stand_in: Seen | None = None  # the original, its findings those on the twins or the holdout set


def groups_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """What a bootstrap draws: persons or documents where the examples name them, else single examples."""
    return tuple(f"id {e.id}" if e.group is None else f"group {e.group}" for e in examples)


def draws_of(sources: Sources, *, draws: int, seed: int) -> Draws:
    """One bootstrap for all cells."""
    groups = {title: groups_of(examples) for title, examples in sources.sets.items()}
    return Draws(groups, len(_retrained(sources)), draws=draws, seed=seed)


def scored_cells(sources: Sources) -> list[Scored]:
    """Every cell that original and unlearned model were both measured in; `controls` may be empty."""
    return [*_metric_cells(sources), *_membership_cells(sources), *_attack_cells(sources)]


def judged(cells: Sequence[Scored], sources: Sources, draws: Draws, delta: float) -> tuple[Cell, ...]:
    """For the record."""
    return tuple(_cell(each, sources, draws, delta) for each in cells)


def _metric_cells(sources: Sources) -> list[Scored]:
    several = len(sources.forget) > 1
    return [
        cell
        for title in sources.forget
        for family, names in METRICS.items()
        for name in names
        if (cell := _of_metric(sources, name, family, title, part=title if several else "")) is not None
    ]


def _of_metric(sources: Sources, name: str, family: str, title: str, part: str) -> Scored | None:
    def sample(seen: Seen, of: str) -> Sample | None:
        values = seen.metrics.get(of, {}).get(name)
        return None if values is None else Sample(tuple(values), groups_of(sources.sets[of]))

    return _scored(sources, name, family, part, title, sample)


def _membership_cells(sources: Sources) -> list[Scored]:
    if "holdout" not in sources.sets:
        return []

    def sample_of(name: str):
        def sample(seen: Seen, of: str) -> Sample | None:
            inside, outside = seen.metrics.get(of, {}).get(name), seen.metrics.get("holdout", {}).get(name)
            if inside is None or outside is None:
                return None
            groups = groups_of(sources.sets[of]), groups_of(sources.sets["holdout"])
            return Sample(tuple(-x for x in inside), groups[0], tuple(-x for x in outside), groups[1])

        return sample

    found = [_scored(sources, name, "membership", "", sources.members, sample_of(name)) for name in MEMBERSHIP]
    return [cell for cell in found if cell is not None]


def _attack_cells(sources: Sources) -> list[Scored]:
    original = sources.models["original"]
    cells = []
    for text, findings in original.findings.items():
        entry = attacks.get(parse_name(text)[0])
        for part in [finding.part for finding in findings]:

            def sample(seen: Seen, of: str, text: str = text, part: str = part) -> Sample | None:
                found = next((each for each in seen.findings.get(text, ()) if each.part == part), None)
                return None if found is None else _sample_of(found, sources, of)

            cells.append(_scored(sources, entry.name, entry.family, part, sources.attacked, sample))
    return [cell for cell in cells if cell is not None]


def _sample_of(finding: Finding, sources: Sources, of: str) -> Sample:
    groups = groups_of(sources.sets[of])
    rows = range(len(groups)) if finding.rows is None else finding.rows
    outside = groups_of(sources.sets["holdout"]) if finding.control else ()
    return Sample(finding.scores, tuple(groups[i] for i in rows), finding.control, outside)


def _scored(sources: Sources, name: str, family: str, part: str, title: str, sample) -> Scored | None:
    original, unlearned = (sample(sources.models[label], title) for label in ("original", "unlearned"))
    if original is None or unlearned is None or not original.scores:
        return None
    of = title
    if sources.stand_in is not None:
        of = "twins" if sources.control == "twins" else "holdout"
        found = [sample(sources.stand_in, of)]
    else:
        found = [sample(sources.models[label], title) for label in _retrained(sources)]
    controls = tuple(each for each in found if each is not None and each.scores)
    return Scored(name, family, original, unlearned, controls, of=title, controls_of=of, part=part)


def _cell(cell: Scored, sources: Sources, draws: Draws, delta: float) -> Cell:
    labels = [sources.control] if sources.stand_in is not None else list(_retrained(sources))
    samples = {"original": cell.original, "unlearned": cell.unlearned, **dict(zip(labels, cell.controls))}
    shared = {
        "name": cell.name, "family": cell.family, "part": cell.part, "n": len(cell.original.scores),
        "k": {label: each.knowledge for label, each in samples.items()},
        "scores": {label: each.scores for label, each in samples.items() if not each.control},
        "curves": _curves(cell, sources),
    }  # fmt: skip
    if not cell.controls:
        return Cell(**shared, note="there is no model that never knew to compare with")
    result = judge(cell, draws, delta)
    return Cell(
        **shared, gap=result.gap, gap_lower=result.gap_lower, excess=result.excess,
        excess_bounds=result.excess_bounds, status=result.status, note=_note(cell, sources),
    )  # fmt: skip


def _curves(cell: Scored, sources: Sources) -> dict[str, tuple[tuple[float, float], ...]]:
    found = {label: _findings(seen, cell) for label, seen in sources.models.items()}
    return {label: each[0].curve for label, each in found.items() if each and each[0].curve}


def _note(cell: Scored, sources: Sources) -> str:
    return "; ".join(each.note for each in _findings(sources.models["unlearned"], cell) if each.note)


def _findings(seen: Seen, cell: Scored) -> list[Finding]:
    """Those that a cell was made of; none for a metric's."""
    by_name = {attacks.get(parse_name(text)[0]).name: found for text, found in seen.findings.items()}
    return [each for each in by_name.get(cell.name, ()) if each.part == cell.part]


def _retrained(sources: Sources) -> list[str]:
    return [label for label in sources.models if label.startswith("retrained")]
