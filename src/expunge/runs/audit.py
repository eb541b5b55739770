"""The run behind `expunge audit`: original, retrained and unlearned models measured, attacked and judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from expunge.attacks import attacks
from expunge.audit.cells import Seen
from expunge.audit.panel import MEMBERSHIP, METRICS, REPORTED, Panel, panel_of
from expunge.config import AuditRunConfig, differing, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.evaluate import metrics as registered
from expunge.evaluate.measure import check_metrics
from expunge.models.cache import cache_folder
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Outcome, Reading, Record
from expunge.record_audit import Audit, Control
from expunge.record_file import load_record, save_record
from expunge.runs.examining import Examined, Examiner, Peers, chosen
from expunge.runs.folder import check, claim
from expunge.runs.judging import Setting, audited, seen, seen_of_record
from expunge.runs.measuring import as_json, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.store import Store
from expunge.suites import Suite

Loader = Callable[[], Model]


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
    """The audit itself, on models however they are had.

    One model at a time: the original first, then each retrained one, then the unlearned one; only what an attack
    compares with stays in memory.
    """
    phases, panel = phases or Phases(), panel_of(config.audit.panel, config.audit.attacks)
    # other wordings are an attack of the panel
    asked = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"paraphrases": False})})
    setting = _setting(measured_of(sets, asked, suite), sets, models)
    first = {"retrained": models.retrained[0]} if models.retrained else {}
    peers = Peers({"original": models.original, **first})
    store = Store(cache_folder() / "findings", say=phases.say)
    stage = _Stage(setting, panel, Examiner(asked, panel.attacks, sets, peers, store, phases))
    with phases.phase("loading the original model"):
        original = peers["original"]
    check_lengths(Encoder(original.tokenizer, config.convention), sets, *only_measured(suite))
    before = stage.examined("original model", original, setting.measured)
    stand_in = None
    if setting.control in ("twins", "holdout"):
        other = setting.measured[setting.control].examples
        stand_in = stage.examiner.attack(f"original model ({setting.control})", original, other)
    retrained = [*stage.retrained(models), *(seen_of_record(each, setting) for each in models.saved)]
    with phases.phase("loading the unlearned model"):
        unlearned = models.unlearned()
    after = stage.examined("unlearned model", unlearned, setting.measured)
    with phases.phase("judging"):
        audit = audited(setting, panel, config.audit, before, after, retrained, stand_in)
    return _record(config, arguments, setting, sets, audit, (original, before), (unlearned, after), phases)


def _models(config: AuditRunConfig, phases: Phases) -> Models:
    """Loaders of what the settings name; a folder with the record of an evaluation stands for its model."""
    saved = {name: load_record(name) for name in config.retrained if (Path(name) / "record.json").is_file()
             and not (Path(name) / "adapter_config.json").is_file()}  # fmt: skip
    loader = lambda name: lambda: load_model(name, config.load, say=phases.say)
    return Models(
        loader(config.before), loader(config.after),
        tuple(loader(name) for name in config.retrained if name not in saved), tuple(saved.values()),
    )  # fmt: skip


def _setting(measured: Mapping[str, Measured], sets: Sets, models: Models) -> Setting:
    forget = tuple(title for title, each in measured.items() if each.role == "forget")
    if not forget:
        raise ConfigError("nothing to audit: give --forget (a file, or hub:NAME) or --suite")
    attacked = "forget" if "forget" in forget else forget[0]
    members = next((title for title in forget if title.startswith("membership")), attacked)
    control: Control = "twins" if sets.twins else "holdout" if sets.holdout else "none"
    if models.retrained or models.saved:
        control = "retrained models"
    return Setting(measured, forget, attacked, members, control)


@dataclass(frozen=True)
class _Stage:
    """The same for every model: what is measured, what it is attacked with."""

    setting: Setting
    panel: Panel
    examiner: Examiner

    def examined(
        self, label: str, model: Model, measured: Mapping[str, Measured], *, cells_only: bool = False
    ) -> Examined:
        metrics = self._cell_metrics() if cells_only else all_metrics(self.examiner.config, self._cell_metrics())
        evaluation = self.examiner.measure(label, model, measured, metrics)
        found = self.examiner.attack(label, model, self.setting.measured[self.setting.attacked].examples)
        return replace(found, evaluation=evaluation)

    def retrained(self, models: Models) -> Iterator[Seen]:
        """Retrained models are only measured where cells need it."""
        needed = {t: each for t, each in self.setting.measured.items() if t in (*self.setting.forget, "holdout")}
        for number, load in enumerate(models.retrained):
            with self.examiner.phases.phase(f"loading retrained model {number}"):
                model = self.examiner.peers["retrained"] if number == 0 else load()
            yield seen(self.examined(f"retrained model {number}", model, needed, cells_only=True))

    def _cell_metrics(self) -> list[str]:
        names = [*(name for several in METRICS.values() for name in several), *REPORTED]
        return [*names, *(MEMBERSHIP if "holdout" in self.setting.measured else ())]


def all_metrics(config: AuditRunConfig, cells: Sequence[str]) -> list[str]:
    """Those of the settings, with their options, and those that cells are made of."""
    own = {parse_name(text)[0]: text for text in config.evaluate.metrics}
    return [*own.values(), *(name for name in cells if name not in own)]


def _record(
    config: AuditRunConfig, arguments: Sequence[str], setting: Setting, sets: Sets, audit: Audit,
    before: tuple[Model, Examined], after: tuple[Model, Examined], phases: Phases,
) -> Record:  # fmt: skip
    (original, was), (unlearned, became) = before, after
    info: ModelInfo = model_info(unlearned)
    glossary = readings({name for each in was.evaluation.metrics.values() for name in each} & set(registered))
    for name in {cell.name for cell in audit.cells if cell.name in attacks}:
        entry = attacks.get(name)
        glossary[name] = Reading(title=entry.title, better="higher", reads=entry.reads)
    outcome = Outcome(
        after=as_json(became.evaluation), configuration={"model": config.after, "digest": info.digest},
        generations=became.evaluation.generations if config.include_text else {},
    )  # fmt: skip
    return Record(
        command="audit", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(original.device)),
        seeds={"audit": config.audit.seed}, model=model_info(original),
        sets={name: each.info(include_text=config.include_text) for name, each in setting.measured.items()},
        before=as_json(was.evaluation), methods={"unlearned": outcome}, audit=audit,
        glossary=dict(sorted(glossary.items())),
        generations=was.evaluation.generations if config.include_text else {}, seconds=phases.seconds,
        peak_memory=peak_memory(), warnings=(*sets.warnings, *was.evaluation.notes), include_text=config.include_text,
    )  # fmt: skip
