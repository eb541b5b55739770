"""From what was seen of each model to the cells of an audit, judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from expunge.attacks import Finding, attacks
from expunge.audit.draws import FEWEST, Draws, Sample
from expunge.audit.never_knew import Scored, judge
from expunge.audit.panel import MEMBERSHIP, METRICS
from expunge.config import parse_name
from expunge.data.example import Example
from expunge.record_audit import Cell, Control

PerExample = Mapping[str, Sequence[float]]  # metric → one value an example
ORIGINAL, UNLEARNED = "original", "unlearned"


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


SampleOf = Callable[[Seen, str], Sample | None]  # of a model, on a set


def groups_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """What a bootstrap draws: persons or documents where the examples name them, else single examples.

    Single examples, too, where there are too few groups to draw from (an erasure request is about one person): the
    bounds then speak of other questions about the same group, not of other groups.
    """
    named = [f"id {e.id}" if e.group is None else f"group {e.group}" for e in examples]
    return tuple(named if len(set(named)) >= FEWEST else [f"id {e.id}" for e in examples])


def has_few_groups(examples: Sequence[Example]) -> bool:
    """Whether `groups_of` draws single examples although they name their groups."""
    return any(e.group is not None for e in examples) and len({e.group or e.id for e in examples}) < FEWEST


def draws_of(sources: Sources, *, draws: int, seed: int) -> Draws:
    """One bootstrap for all cells."""
    return Draws({title: groups_of(examples) for title, examples in sources.sets.items()}, draws=draws, seed=seed)


def scored_cells(sources: Sources) -> list[Scored]:
    """Every cell that original and unlearned model were both measured in; `controls` may be empty."""
    found = [*_metric_cells(sources), *_membership_cells(sources), *_attack_cells(sources)]
    return [cell for cell in found if cell is not None]


def judged(cells: Sequence[Scored], sources: Sources, draws: Draws, delta: float) -> tuple[Cell, ...]:
    """For the record."""
    return tuple(_cell(each, sources, draws, delta) for each in cells)


def _metric_cells(sources: Sources) -> Iterator[Scored | None]:
    for title in sources.forget:
        for family, names in METRICS.items():
            for name in names:

                def sample(seen: Seen, of: str, name: str = name) -> Sample | None:
                    values = seen.metrics.get(of, {}).get(name)
                    return None if values is None else Sample(tuple(values), groups_of(sources.sets[of]))

                part = title if len(sources.forget) > 1 else ""
                yield _scored(sources, name, family, part, title, sample)


def _membership_cells(sources: Sources) -> Iterator[Scored | None]:
    for name in MEMBERSHIP if "holdout" in sources.sets else ():

        def sample(seen: Seen, of: str, name: str = name) -> Sample | None:
            inside, outside = (seen.metrics.get(title, {}).get(name) for title in (of, "holdout"))
            if inside is None or outside is None:
                return None
            ours, theirs = (groups_of(sources.sets[title]) for title in (of, "holdout"))
            return Sample(tuple(-x for x in inside), ours, tuple(-x for x in outside), theirs)

        yield _scored(sources, name, "membership", "", sources.members, sample)


def _attack_cells(sources: Sources) -> Iterator[Scored | None]:
    for text, findings in sources.models[ORIGINAL].findings.items():
        entry = attacks.get(parse_name(text)[0])
        for part in [finding.part for finding in findings]:

            def sample(seen: Seen, of: str, text: str = text, part: str = part) -> Sample | None:
                found = _finding(seen, text, part)
                if found is None:
                    return None
                groups = groups_of(sources.sets[of])
                rows = range(len(groups)) if found.rows is None else found.rows
                return Sample(found.scores, tuple(groups[i] for i in rows), rows=found.rows or ())

            cell = _scored(sources, entry.name, entry.family, part, sources.attacked, sample)
            if cell is not None and "retrained" in entry.needs and len(cell.controls) > 1:
                # what the others are measured by is no control beside them
                others = {label: each for label, each in cell.controls.items() if label != "retrained#0"}
                cell = replace(cell, controls=others)
            yield cell


def _scored(sources: Sources, name: str, family: str, part: str, title: str, sample: SampleOf) -> Scored | None:
    original, unlearned = (sample(sources.models[label], title) for label in (ORIGINAL, UNLEARNED))
    if original is None or unlearned is None or not original.scores:
        return None
    of, models = title, {label: seen for label, seen in sources.models.items() if label.startswith("retrained")}
    if sources.stand_in is not None:
        of = "twins" if sources.control == "twins" else "holdout"
        models = {of: sources.stand_in} if _alike(sources.sets[of], sources.sets[title]) else {}
    found = {label: each for label, seen in models.items() if (each := sample(seen, of)) is not None and each.scores}
    return Scored(name, family, original, unlearned, found, of=title, controls_of=of, part=part)


def _alike(one: Sequence[Example], other: Sequence[Example]) -> bool:
    """Both ask, both are documents, or both are passages: only then can one stand in for the other."""
    kinds = [{(e.prompt is None, e.passage) for e in each} for each in (one, other)]
    return kinds[0] == kinds[1]


def _cell(cell: Scored, sources: Sources, draws: Draws, delta: float) -> Cell:
    samples = {ORIGINAL: cell.original, UNLEARNED: cell.unlearned, **cell.controls}
    shared = {
        "name": cell.name, "family": cell.family, "part": cell.part, "n": len(cell.original.scores),
        "k": {label: each.knowledge for label, each in samples.items()},
        "scores": {label: each.scores for label, each in samples.items() if not each.control},
        "curves": {label: found.curve for label, seen in sources.models.items()
                   if (found := _found(seen, cell)) is not None and found.curve},
    }  # fmt: skip
    if not cell.controls:
        return Cell(**shared, note="nothing that never knew was measured here to compare with")
    found, result = _found(sources.models[UNLEARNED], cell), judge(cell, draws, delta)
    return Cell(
        **shared, gap=result.gap, gap_lower=_finite(result.gap_lower), excess=result.excess,
        excess_bounds=(_finite(result.excess_bounds[0]), _finite(result.excess_bounds[1])), status=result.status,
        note=found.note if found is not None else "",
    )  # fmt: skip


def _finite(bound: float) -> float | None:
    """A record has no infinity: None where there is no bound."""
    return bound if abs(bound) < float("inf") else None


def _found(seen: Seen, cell: Scored) -> Finding | None:
    """What a cell was made of; None for a metric's."""
    texts = (text for text in seen.findings if attacks.get(parse_name(text)[0]).name == cell.name)
    return next((found for text in texts if (found := _finding(seen, text, cell.part)) is not None), None)


def _finding(seen: Seen, text: str, part: str) -> Finding | None:
    return next((each for each in seen.findings.get(text, ()) if each.part == part), None)
