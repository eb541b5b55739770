"""From what was seen of all models to the audit in a record: cells, families, rate, ceiling, words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.audit.cells import Seen, Sources, draws_of, has_few_groups, judged, scored_cells
from expunge.audit.headline import left_out, not_a_headline
from expunge.audit.misaligned import misaligned
from expunge.audit.never_knew import ceiling, families, rate
from expunge.audit.panel import DELTA, FAMILIES, Panel
from expunge.audit.reported import reported
from expunge.audit.strata import strata_of
from expunge.audit.utility import utility_kept
from expunge.audit.verdict import cannot_say, of_family, sentences
from expunge.config import AuditConfig, AuditRunConfig, parse_name
from expunge.errors import ConfigError, DataError
from expunge.evaluate.measure import Evaluation
from expunge.evaluate.model_utility import model_utility
from expunge.record import Record
from expunge.record_audit import Audit, Cell, Control, Reported
from expunge.runs.examining import Examined
from expunge.runs.sets import Measured

STAY = ("retain", "test")
_SAME = ("precision", "prefix_tokens", "continued_tokens")  # of EvaluateConfig, for saved evaluations


@dataclass(frozen=True)
class Setting:
    """The sets of an audit, and what they are to it."""

    measured: Mapping[str, Measured]
    forget: tuple[str, ...]  # titles of all sets of what must go
    attacked: str  # of the one that attacks are made on
    members: str  # of the one whose membership is tested
    control: Control
    notes: tuple[str, ...] = ()  # for what the audit cannot say


@dataclass(frozen=True)
class AllSeen:
    """Every model of an audit. `stand_in`: the original on twins or holdout; `saved`: of evaluations."""

    original: Examined
    unlearned: Examined
    retrained: tuple[Examined, ...] = ()
    saved: tuple[Seen, ...] = ()
    stand_in: Examined | None = None

    @property
    def controls(self) -> dict[str, Seen]:
        """Label → retrained model."""
        return {f"retrained#{i}": each for i, each in enumerate((*map(seen, self.retrained), *self.saved))}

    @property
    def missing(self) -> dict[str, str]:
        """Attack → why it could not be run; of a control with its name, since the cell may stand without it."""
        found = {**self.original.missing, **self.unlearned.missing}
        others = {f"retrained#{i}": each for i, each in enumerate(self.retrained)}
        if self.stand_in is not None:
            others["the stand-in"] = self.stand_in
        for label, each in others.items():
            found |= {f"{text} on {label}": why for text, why in each.missing.items() if text not in found}
        return found

    @property
    def seconds(self) -> dict[str, float]:
        """Attack → what it took on all models, when it was run."""
        every = [self.original, self.unlearned, *self.retrained, *filter(None, [self.stand_in])]
        texts = dict.fromkeys(text for each in every for text in each.seconds)
        return {text: round(sum(each.seconds.get(text, 0.0) for each in every), 3) for text in texts}


def audited(setting: Setting, panel: Panel, config: AuditConfig, models: AllSeen) -> Audit:
    """Everything that can be said."""
    sources = _sources(setting, models)
    scored, draws = scored_cells(sources), draws_of(sources, draws=config.draws, seed=config.seed)
    cells = judged(scored, sources, draws, config.delta)
    results = families([(cell.family, cell.status) for cell in cells])
    results = {name: each.model_copy(update={"verdict": of_family(name, results)}) for name, each in results.items()}
    stay = [title for title, each in setting.measured.items() if each.role in STAY]
    lost = left_out(panel, sources, scored)
    whole = panel.whole and {cell.family for cell in scored if cell.controls} >= set(FAMILIES)
    share = rate(results) if whole else None
    audit = Audit(
        panel=f"{panel.name}, without {', '.join(lost)}" if lost else panel.name, left_out=lost, delta=config.delta,
        draws=config.draws, control=setting.control, cells=cells, families=results,
        rate=share, rate_name=_rate_name(setting.control, config.delta, () if share is None else lost),
        not_headline=() if share is None else not_a_headline(lost, sources, scored),
        ceiling=ceiling([each for each in scored if each.controls], draws, config.delta) if whole else None,
        worst=_worst(cells), missing=models.missing, seconds=models.seconds,
        utility_kept=utility_kept(_means(models.original.evaluation), _means(models.unlearned.evaluation), stay),
        reported=_reported(setting, sources, models), strata=strata_of(scored, sources, draws, config.edges, config.by),
        misaligned=misaligned(sources, config.edges, config.by),
    )  # fmt: skip
    attacked = setting.measured[setting.attacked].examples
    further = list(setting.notes)
    if has_few_groups(attacked):
        further.append(
            "Anything about other groups: there are too few here to draw from, so the bounds are about other questions "
            "about the same."
        )
    words = {"verdict": sentences(audit), "cannot_say": cannot_say(audit, len(attacked), list(audit.missing), further)}
    return audit.model_copy(update=words)


def _rate_name(control: Control, delta: float, lost: Sequence[str]) -> str:
    against = {"twins": " (against never-seen twins)", "holdout": " (against the holdout set)"}
    marks = ("" if delta == DELTA else f", δ = {delta:g}", f", incomplete: without {', '.join(lost)}" if lost else "")
    return f"never-knew rate{against.get(control, '')}{''.join(marks)}"


def seen(examined: Examined) -> Seen:
    """What cells are made of."""
    metrics = {
        title: {name: metric.per_example for name, metric in several.items()}
        for title, several in examined.evaluation.metrics.items()
    }
    return Seen(metrics, examined.findings)


def seen_of_record(record: Record, config: AuditRunConfig, setting: Setting) -> Seen:
    """A saved evaluation of a retrained model. Raises DataError if it was not made as this audit measures."""
    name = record.model.name if record.model else "the model"
    if record.command != "evaluate":
        raise DataError(f"a retrained model is given by the record of `evaluate`, not of `{record.command}` ({name})")
    evaluate = record.configuration.get("evaluate", {})
    differing = [key for key in _SAME if evaluate.get(key) != getattr(config.evaluate, key)]
    if record.configuration.get("convention") != config.convention.model_dump():
        differing.insert(0, "convention")
    if differing or [text for text in evaluate.get("metrics", ()) if parse_name(text)[1]]:
        what = differing[0] if differing else "options of metrics"
        raise DataError(f"the saved evaluation of {name} has another {what}: evaluate it as this audit does")
    check_room(record, config.evaluate.max_new_tokens)
    if not any(title in record.before for title in setting.forget):
        raise DataError(f"the saved evaluation of {name} is not of the forget set")
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for title in (*setting.forget, "holdout"):
        if title not in record.before or title not in setting.measured:
            continue
        if record.sets[title].digest != setting.measured[title].info(include_text=False).digest:
            raise DataError(f"the saved evaluation of {name} is of another {title} set: evaluate it on this one")
        per_example = {metric: each.per_example for metric, each in record.before[title].items()}
        found[title] = {metric: each for metric, each in per_example.items() if None not in each}  # type: ignore[misc]
    return Seen(found)


def check_room(record: Record, limit: int | None) -> None:
    """Raises DataError if answers of a saved evaluation had another limit than those of the audit; None: not yet known.

    Older records say it in their settings only.
    """
    had = record.max_new_tokens or record.configuration.get("evaluate", {}).get("max_new_tokens")
    if limit is not None and had is not None and had != limit:
        name = record.model.name if record.model else "the model"
        raise DataError(
            f"the saved evaluation of {name} has another max_new_tokens, {had} and not {limit}: evaluate it as this "
            f"audit does, or set {had} for the audit"
        )


def weights_of_record(record: Record) -> tuple[str, str]:
    """Name and digest of the model that was measured. Raises DataError for a record that does not say."""
    if record.model is None or not record.model.digest:
        name = record.model.name if record.model else "a model"
        raise DataError(f"the saved evaluation of {name} does not say of which weights it is: evaluate it again")
    return record.model.name, record.model.digest


def _sources(setting: Setting, models: AllSeen) -> Sources:
    original = seen(models.original)
    only_members = setting.members if setting.members != setting.attacked and "holdout" in setting.measured else None
    return Sources(
        models={"original": original, **models.controls, "unlearned": seen(models.unlearned)},
        sets={title: each.examples for title, each in setting.measured.items()},
        attacked=setting.attacked, forget=tuple(title for title in setting.forget if title != only_members),
        members=setting.members, control=setting.control,
        stand_in=None if models.stand_in is None else Seen(original.metrics, models.stand_in.findings),
    )  # fmt: skip


def _reported(setting: Setting, sources: Sources, models: AllSeen) -> tuple[Reported, ...]:
    original, unlearned = (sources.models[label].metrics for label in ("original", "unlearned"))
    golds = [each.metrics for each in models.controls.values()]
    utilities = _utilities(models.original, models.unlearned)
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
