"""The run behind `expunge audit`: original, retrained and unlearned models measured, attacked and judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from expunge.attacks import attacks
from expunge.audit.cells import Seen, Sources, draws_of, judged, scored_cells
from expunge.audit.never_knew import Scored, ceiling, families, rate
from expunge.audit.panel import MEMBERSHIP, METRICS, Panel, panel_of
from expunge.audit.utility import utility_kept
from expunge.audit.verdict import cannot_say, of_family, sentences
from expunge.config import AuditRunConfig, differing, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError, DataError
from expunge.evaluate import metrics as registered
from expunge.evaluate.measure import Evaluation, check_metrics
from expunge.models.cache import cache_folder
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Outcome, Reading, Record
from expunge.record_audit import Audit, Cell, Control
from expunge.record_file import load_record, save_record
from expunge.runs.examining import Examined, Examiner, Peers, chosen
from expunge.runs.folder import check, claim
from expunge.runs.measuring import as_json, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.store import Store
from expunge.suites import Suite

Loader = Callable[[], Model]
FORGET = ("forget",)
STAY = ("retain", "test")


@dataclass(frozen=True)
class Models:
    """How to get the models; `saved` are evaluations of retrained ones in place of the models themselves."""

    original: Loader
    unlearned: Loader
    retrained: tuple[Loader, ...] = ()
    saved: tuple[Record, ...] = ()


def run_audit(
    config: AuditRunConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Audit and write `record.json`. Settings and data are checked before a model is loaded.

    Everything that was found of a model is kept as scores, so a killed audit goes on where it was, and a second one of
    the same model costs nothing.
    """
    phases = phases or Phases()
    check_audit(config)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    if done is not None and done.status == "done":
        return done
    sets = sets_of(config, suite, config.before)
    if not sets.forget and not (suite and suite.probes):
        raise ConfigError("nothing to audit: give --forget (a file, or hub:NAME) or --suite")
    for warning in sets.warnings:
        phases.say(warning)
    record = audit_models(_models(config, phases), sets, config, suite=suite, phases=phases, arguments=arguments)
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    save_record(record, out)
    return record


def check_audit(config: AuditRunConfig) -> None:
    """All that can be seen to be wrong from the settings alone."""
    check_metrics(config.evaluate)
    for text in panel_of(config.audit.panel, config.audit.attacks).attacks:
        chosen(text)


def audit_models(
    models: Models,
    sets: Sets,
    config: AuditRunConfig,
    *,
    suite: Suite | None = None,
    phases: Phases | None = None,
    arguments: Sequence[str] = (),
) -> Record:
    """The audit itself, on models however they are had."""
    phases, panel = phases or Phases(), panel_of(config.audit.panel, config.audit.attacks)
    quiet = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"paraphrases": False})})
    measured = measured_of(sets, quiet, suite)
    stage = _Stage(quiet, panel, sets, measured, models, suite, phases)
    return stage.record(arguments)


def _models(config: AuditRunConfig, phases: Phases) -> Models:
    """Loaders of what the settings name; a folder with the record of an evaluation stands for its model."""
    saved = {name: load_record(name) for name in config.retrained if (Path(name) / "record.json").is_file()}
    loader = lambda name: lambda: load_model(name, config.load, say=phases.say)
    return Models(
        loader(config.before), loader(config.after),
        tuple(loader(name) for name in config.retrained if name not in saved), tuple(saved.values()),
    )  # fmt: skip


class _Stage:
    """One audit at work."""

    def __init__(
        self, config: AuditRunConfig, panel: Panel, sets: Sets, measured: Mapping[str, Measured], models: Models,
        suite: Suite | None, phases: Phases,
    ) -> None:  # fmt: skip
        self.config, self.panel, self.sets, self.phases = config, panel, sets, phases
        self.measured = dict(measured)
        self.models, self.suite = models, suite
        self.forget = tuple(title for title, each in self.measured.items() if each.role == "forget")
        if not self.forget:
            raise ConfigError("nothing to audit: no set of what must go is measured; give --forget or --suite")
        self.attacked = "forget" if "forget" in self.measured else self.forget[0]
        self.members = next((title for title in self.forget if title.startswith("membership")), self.attacked)
        loaders = {"original": models.original, **({"retrained": models.retrained[0]} if models.retrained else {})}
        self.peers = Peers(loaders)
        store = Store(cache_folder() / "findings", say=phases.say)
        self.examiner = Examiner(config, panel.attacks, sets, self.peers, store, phases)

    @property
    def control(self) -> Control:
        if self.models.retrained or self.models.saved:
            return "retrained models"
        return "twins" if self.sets.twins else "holdout" if self.sets.holdout else "none"

    def record(self, arguments: Sequence[str]) -> Record:
        config, original = self.config, self._original()
        info = model_info(original)
        check_lengths(Encoder(original.tokenizer, config.convention), self.sets, *only_measured(self.suite))
        before = self._examined("original model", original, self._all_metrics(), self.measured)
        stand_in = None
        if self.control in ("twins", "holdout"):
            found = self.examiner.attack(
                f"original model ({self.control})", original, self.measured[self.control].examples
            )
            stand_in = Seen(_values(before.evaluation), found.findings)
        seen = {"original": Seen(_values(before.evaluation), before.findings)}
        for number, each in enumerate(self._retrained()):
            seen[f"retrained#{number}"] = each
        with self.phases.phase("loading the unlearned model"):
            unlearned = self.models.unlearned()
        after = self._examined("unlearned model", unlearned, self._all_metrics(), self.measured)
        seen["unlearned"] = Seen(_values(after.evaluation), after.findings)
        audit = self._judge(seen, stand_in, before, after)
        return self._written(audit, info, before, after, model_info(unlearned), arguments, str(original.device))

    def _original(self) -> Model:
        with self.phases.phase("loading the original model"):
            return self.peers["original"]

    def _examined(self, label: str, model: Model, metrics: Sequence[str], measured: Mapping[str, Measured]) -> Examined:
        evaluation = self.examiner.measure(label, model, measured, metrics)
        found = self.examiner.attack(label, model, self.measured[self.attacked].examples)
        return replace(found, evaluation=evaluation)

    def _retrained(self) -> Iterable[Seen]:
        """Retrained models are only measured where cells need it."""
        needed = {title: each for title, each in self.measured.items() if title in (*self.forget, "holdout")}
        for number, load in enumerate(self.models.retrained):
            with self.phases.phase(f"loading the retrained model {number}"):
                model = self.peers["retrained"] if number == 0 else load()
            found = self._examined(f"retrained model {number}", model, self._cell_metrics(), needed)
            yield Seen(_values(found.evaluation), found.findings)
        yield from (_saved(each, self.measured, self.forget) for each in self.models.saved)

    def _cell_metrics(self) -> list[str]:
        names = [name for several in METRICS.values() for name in several]
        names += MEMBERSHIP if "holdout" in self.measured else ()
        return [name for name in names if name in registered]

    def _all_metrics(self) -> list[str]:
        own = {parse_name(text)[0]: text for text in self.config.evaluate.metrics}
        return list({**dict.fromkeys(own.values()), **{n: None for n in self._cell_metrics() if n not in own}})

    def _judge(self, seen: Mapping[str, Seen], stand_in: Seen | None, before: Examined, after: Examined) -> Audit:
        config = self.config.audit
        sources = Sources(
            models=seen, sets={title: each.examples for title, each in self.measured.items()}, attacked=self.attacked,
            forget=tuple(title for title in self.forget if title != self.members or title == self.attacked),
            members=self.members, control=self.control, stand_in=stand_in,
        )  # fmt: skip
        scored, draws = scored_cells(sources), draws_of(sources, draws=config.draws, seed=config.seed)
        with self.phases.phase("judging"):
            cells = judged(scored, sources, draws, config.delta)
            top = ceiling([each for each in scored if each.controls], draws, config.delta)
        return _audit(self.panel, self, cells, scored, top, before, after)

    def _written(
        self, audit: Audit, info: ModelInfo, before: Examined, after: Examined, unlearned: ModelInfo,
        arguments: Sequence[str], device: str,
    ) -> Record:  # fmt: skip
        config = self.config
        glossary = readings(set(self._all_metrics()) & set(registered))
        for cell in audit.cells:
            if cell.name in attacks:
                entry = attacks.get(cell.name)
                glossary[cell.name] = Reading(title=entry.title, better="higher", reads=entry.reads)
        outcome = Outcome(
            after=as_json(after.evaluation), configuration={"model": config.after, "digest": unlearned.digest},
            generations=after.evaluation.generations if config.include_text else {},
        )  # fmt: skip
        return Record(
            command="audit", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
            changed=differing(config), versions=versions(), platform=platform_facts(device),
            seeds={"audit": config.audit.seed}, model=info,
            sets={name: each.info(include_text=config.include_text) for name, each in self.measured.items()},
            before=as_json(before.evaluation), methods={"unlearned": outcome}, audit=audit, glossary=glossary,
            generations=before.evaluation.generations if config.include_text else {}, seconds=self.phases.seconds,
            peak_memory=peak_memory(), warnings=(*self.sets.warnings, *before.evaluation.notes),
            include_text=config.include_text,
        )  # fmt: skip


def _audit(
    panel: Panel,
    stage: _Stage,
    cells: tuple[Cell, ...],
    scored: Sequence[Scored],
    top,
    before: Examined,
    after: Examined,
) -> Audit:
    """Cells, families, rate and words together."""
    results = families([(cell.family, cell.status) for cell in cells])
    results = {name: each.model_copy(update={"verdict": of_family(name, each)}) for name, each in results.items()}
    stay = [title for title, each in stage.measured.items() if each.role in STAY]
    missing = {**before.missing, **after.missing}
    control, whole = stage.control, panel.whole
    stand_in = {"twins": " (against never-seen twins)", "holdout": " (against the holdout set)"}.get(control, "")
    audit = Audit(
        panel=panel.name, delta=stage.config.audit.delta, draws=stage.config.audit.draws, control=control, cells=cells,
        families=results, rate=rate(results) if whole else None, rate_name=f"never-knew rate{stand_in}", ceiling=top,
        worst=_worst(cells), missing=missing,
        utility_kept=utility_kept(_means(before.evaluation), _means(after.evaluation), stay),
        seconds={text: round(before.seconds.get(text, 0) + after.seconds.get(text, 0), 3) for text in after.seconds},
    )  # fmt: skip
    rows = len(stage.measured[stage.attacked].examples)
    return audit.model_copy(update={"verdict": sentences(audit), "cannot_say": cannot_say(audit, rows, list(missing))})


def _worst(cells: Sequence[Cell]) -> str:
    """The cell in which most is left over the control."""
    found = [cell for cell in cells if cell.status != "uninformative" and cell.excess is not None]
    if not found:
        return ""
    worst = max(found, key=lambda cell: cell.excess or 0.0)
    return f"{worst.name}{f', {worst.part}' if worst.part else ''}: {worst.excess:+.2f} ({worst.status})"


def _values(evaluation: Evaluation) -> dict[str, dict[str, tuple[float, ...]]]:
    return {
        title: {name: metric.per_example for name, metric in metrics.items()}
        for title, metrics in evaluation.metrics.items()
    }


def _means(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    return {title: {name: m.value for name, m in metrics.items()} for title, metrics in evaluation.metrics.items()}


def _saved(record: Record, measured: Mapping[str, Measured], forget: Sequence[str]) -> Seen:
    """A saved evaluation of a retrained model. Raises DataError if it was of other examples."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for title, metrics in record.before.items():
        if title not in measured or title not in (*forget, "holdout"):
            continue
        if record.sets[title].digest != measured[title].info(include_text=False).digest:
            name = record.model.name if record.model else "the model"
            raise DataError(f"the saved evaluation of {name} is of another {title} set: evaluate it on this one")
        found[title] = {name: tuple(float(x or 0.0) for x in each.per_example) for name, each in metrics.items()}
    return Seen(found)
