"""From what was seen of all models to the audit in a record: cells, families, rate, ceiling, words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.audit.cells import Seen, Sources, draws_of, judged, scored_cells
from expunge.audit.never_knew import ceiling, families, rate
from expunge.audit.panel import Panel
from expunge.audit.reported import reported
from expunge.audit.utility import utility_kept
from expunge.audit.verdict import cannot_say, of_family, sentences
from expunge.config import AuditConfig
from expunge.errors import ConfigError, DataError
from expunge.evaluate.measure import Evaluation
from expunge.evaluate.model_utility import model_utility
from expunge.record import Record
from expunge.record_audit import Audit, Cell, Control, Reported
from expunge.runs.examining import Examined
from expunge.runs.sets import Measured

STAY = ("retain", "test")


@dataclass(frozen=True)
class Setting:
    """The sets of an audit, and what they are to it."""

    measured: Mapping[str, Measured]
    forget: tuple[str, ...]  # titles of all sets of what must go
    attacked: str  # of the one that attacks are made on
    members: str  # of the one whose membership is tested
    control: Control


def audited(
    setting: Setting,
    panel: Panel,
    config: AuditConfig,
    before: Examined,
    after: Examined,
    retrained: Sequence[Seen],
    stand_in: Examined | None,
) -> Audit:
    """Everything that can be said. `stand_in` are the findings on twins or holdout, where no model was retrained."""
    sources = _sources(setting, before, after, retrained, stand_in)
    scored, draws = scored_cells(sources), draws_of(sources, draws=config.draws, seed=config.seed)
    cells = judged(scored, sources, draws, config.delta)
    results = families([(cell.family, cell.status) for cell in cells])
    results = {name: each.model_copy(update={"verdict": of_family(name, each)}) for name, each in results.items()}
    stay = [title for title, each in setting.measured.items() if each.role in STAY]
    against = {"twins": " (against never-seen twins)", "holdout": " (against the holdout set)"}
    missing = {**before.missing, **after.missing}
    audit = Audit(
        panel=panel.name, delta=config.delta, draws=config.draws, control=setting.control, cells=cells,
        families=results, rate=rate(results) if panel.whole else None,
        rate_name=f"never-knew rate{against.get(setting.control, '')}",
        ceiling=ceiling([each for each in scored if each.controls], draws, config.delta), worst=_worst(cells),
        utility_kept=utility_kept(_means(before.evaluation), _means(after.evaluation), stay), missing=missing,
        reported=_reported(setting, sources, retrained, before, after),
        seconds={text: round(before.seconds.get(text, 0) + after.seconds[text], 3) for text in after.seconds},
    )  # fmt: skip
    rows = len(setting.measured[setting.attacked].examples)
    words = {"verdict": sentences(audit), "cannot_say": cannot_say(audit, rows, list(missing))}
    return audit.model_copy(update=words)


def seen(examined: Examined) -> Seen:
    """What cells are made of."""
    metrics = {
        title: {name: metric.per_example for name, metric in several.items()}
        for title, several in examined.evaluation.metrics.items()
    }
    return Seen(metrics, examined.findings)


def seen_of_record(record: Record, setting: Setting) -> Seen:
    """A saved evaluation of a retrained model. Raises DataError if it was of other examples."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for title in (*setting.forget, "holdout"):
        if title not in record.before or title not in setting.measured:
            continue
        if record.sets[title].digest != setting.measured[title].info(include_text=False).digest:
            name = record.model.name if record.model else "the model"
            raise DataError(f"the saved evaluation of {name} is of another {title} set: evaluate it on this one")
        per_example = {name: each.per_example for name, each in record.before[title].items()}
        found[title] = {name: each for name, each in per_example.items() if None not in each}  # type: ignore[misc]
    return Seen(found)


def _sources(
    setting: Setting, before: Examined, after: Examined, retrained: Sequence[Seen], stand_in: Examined | None
) -> Sources:
    original = seen(before)
    models = {"original": original, **{f"retrained#{i}": each for i, each in enumerate(retrained)}}
    only_members = setting.members if setting.members != setting.attacked else None
    return Sources(
        models={**models, "unlearned": seen(after)},
        sets={title: each.examples for title, each in setting.measured.items()},
        attacked=setting.attacked, forget=tuple(title for title in setting.forget if title != only_members),
        members=setting.members, control=setting.control,
        stand_in=None if stand_in is None else Seen(original.metrics, stand_in.findings),
    )  # fmt: skip


def _reported(
    setting: Setting, sources: Sources, retrained: Sequence[Seen], before: Examined, after: Examined
) -> tuple[Reported, ...]:
    original, unlearned = (sources.models[label].metrics for label in ("original", "unlearned"))
    golds = [each.metrics for each in retrained]
    utilities = _utilities(before, after)
    return reported(original, unlearned, golds, forget=setting.attacked, members=setting.members, utilities=utilities)


def _utilities(before: Examined, after: Examined) -> tuple[float, float] | None:
    """TOFU's model utility, where its sets are measured."""
    try:
        return model_utility(before.evaluation.metrics).value, model_utility(after.evaluation.metrics).value
    except ConfigError:
        return None


def _worst(cells: Sequence[Cell]) -> str:
    """The cell in which most is left over the control."""
    found = [cell for cell in cells if cell.status != "uninformative" and cell.excess is not None]
    if not found:
        return ""
    worst = max(found, key=lambda cell: cell.excess or 0.0)
    return f"{worst.name}{f', {worst.part}' if worst.part else ''}: {worst.excess:+.2f} ({worst.status})"


def _means(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    return {title: {name: m.value for name, m in metrics.items()} for title, metrics in evaluation.metrics.items()}
