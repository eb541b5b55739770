"""The run behind `expunge audit`: original, retrained and unlearned models measured, attacked and judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from expunge.attacks import attacks
from expunge.audit.panel import MEMBERSHIP, METRICS, REPORTED, panel_of
from expunge.audit.strata import one_bucket
from expunge.config import AuditConfig, AuditRunConfig, differing, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.lengths import check_lengths
from expunge.data.room import cut_off, room
from expunge.errors import ConfigError
from expunge.evaluate import metrics
from expunge.evaluate.measure import check_metrics
from expunge.frequency.ordering import required_values
from expunge.models.cache import cache_folder
from expunge.models.changes import is_attachment
from expunge.models.finding import find, split_change
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import check_name, outline_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Outcome, Reading, Record
from expunge.record_audit import Audit, Control
from expunge.record_file import load_record, save_record
from expunge.runs.examining import Examined, Examiner, Peers, chosen, digest_of_model
from expunge.runs.folder import check, check_inputs, claim
from expunge.runs.identities import Identities
from expunge.runs.judging import AllSeen, Setting, audited, check_room, seen_of_record, weights_of_record
from expunge.runs.measuring import as_json, between_json, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured, evenly
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.store import Store
from expunge.suites import Suite

Loader = Callable[[], Model]
DETACH = "detach"  # the attack that what stands beside the weights is put to
_OPEN = (
    "The side memory hides what the weights still hold: whoever has the model can detach it, and has all of the "
    "original back. It guards what is said through this program, and removes nothing."
)


@dataclass(frozen=True)
class Models:
    """How to get the models; `saved` are evaluations of retrained ones in place of the models themselves."""

    original: Loader
    unlearned: Loader
    retrained: tuple[Loader, ...] = ()
    saved: tuple[Record, ...] = ()
    unmerged: Loader | None = None  # the unlearned model with its adapter beside it, where it is one
    beside: bool = False  # the unlearned model has a side memory beside its weights


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

    Everything that was found of a model is kept as scores, by its weights. So a killed audit goes on where it was, a
    second one of the same model costs nothing, and `resume` never answers for a model that has changed since.
    """
    phases = phases or Phases()
    check_audit(config)
    read = (config.before, config.after, *config.retrained, config.forget, config.retain, config.holdout, config.twins)
    check_inputs(out, read, overwrite=overwrite)
    check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    sets = sets_of(config, suite, config.before)
    check_strata(config.audit, sets)
    for warning in sets.warnings:
        phases.say(warning)
    for name in _named_models(config):
        outline_of(name, config.load, say=phases.say)
    record = audit_models(_models(config, phases), sets, config, suite=suite, phases=phases, arguments=arguments)
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    save_record(record, out)
    return record


def check_audit(config: AuditRunConfig, *, loaded: bool = False) -> None:
    """All that can be seen to be wrong from the settings alone; `loaded`: the models are there already."""
    check_metrics(config.evaluate)
    for text in panel_of(config.audit.panel, config.audit.attacks).attacks:
        chosen(text)
    cells = {name for several in METRICS.values() for name in several} | set(MEMBERSHIP)
    if own := [text for text in config.evaluate.metrics if parse_name(text)[1] and _metric(text) in cells]:
        raise ConfigError(f"{own[0]!r}: an audit judges this metric as it is by default; leave its options out")
    if not loaded:
        given = (*config.retrained, config.after, config.before)
        if twice := [name for name in config.retrained if given.count(name) > 1]:
            raise ConfigError(f"{twice[0]} is named twice, once as a control: give each model once")
        for name in _named_models(config):
            check_name(name)


def check_strata(config: AuditConfig, sets: Sets) -> None:
    """Raises DataError where buckets are asked for, by `by` or `edges`, and no forget example has what they go by."""
    if config.edges is not None or "by" in config.model_fields_set:
        required_values(sets.forget, config.by, "audit.by")


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
    measured = measured_of(sets, asked, suite)
    if config.audit.rows is not None:
        rows, seed = config.audit.rows, config.audit.seed
        measured = {t: replace(each, examples=evenly(each.examples, rows, seed)) for t, each in measured.items()}
    setting = _setting(measured, sets, models)
    saved = tuple(seen_of_record(each, asked, setting) for each in models.saved)
    identities = Identities()
    for number, (name, digest) in enumerate(map(weights_of_record, models.saved)):
        identities.add(f"saved evaluation {number} ({name})", digest)
    peers = Peers({"original": models.original, **({"retrained": models.retrained[0]} if models.retrained else {})})
    store = Store(cache_folder() / "findings" if config.evaluate.cache else None, say=phases.say)
    apart = models.beside or models.unmerged is not None
    if apart and not _named(panel.attacks, DETACH):  # its cell counts: rates compare within one panel
        panel = replace(panel, name=f"{panel.name} + {DETACH}", attacks=(*panel.attacks, DETACH))
    with phases.phase("loading the original model"):
        original = peers["original"]
    encoder = Encoder(original.tokenizer, config.convention, original.layout.places)
    check_lengths(encoder, sets, *only_measured(suite))
    asked, setting = _with_room(asked, setting, encoder)
    for each in models.saved:
        check_room(each, asked.evaluate.max_new_tokens)
    stage = _Stage(setting, Examiner(asked, panel.attacks, sets, peers, store, phases), identities)
    info = model_info(original)
    identities.add("the original", info.digest, control=False)
    before = stage.examined("original model", original, info.digest, setting.measured)
    stand_in = None
    if setting.control in ("twins", "holdout"):
        other = setting.measured[setting.control].examples
        label = f"original model ({setting.control})"
        stand_in = stage.examiner.attack(label, original, info.digest, other, of=f"the {setting.control} set")
    retrained = tuple(stage.retrained(models))
    with phases.phase("loading the unlearned model"):
        unlearned = models.unlearned()
    became = model_info(unlearned)
    identities.add("the unlearned model", became.digest, control=False)
    after = stage.examined("unlearned model", unlearned, became.digest, setting.measured, leave=DETACH)
    if apart:
        after.findings.update(stage.detached(models.unmerged or (lambda: unlearned)).findings)
    with phases.phase("judging"):
        audit = audited(setting, panel, config.audit, AllSeen(before, after, retrained, saved, stand_in))
    return _record(config, arguments, setting, sets, audit, (info, before), (became, after), phases, original.device)


def _models(config: AuditRunConfig, phases: Phases) -> Models:
    """Loaders of what the settings name; a folder with the record of an evaluation stands for its model."""
    loader = lambda name, **how: lambda: load_model(name, config.load, say=phases.say, **how)
    adapter = "+" not in config.after and find(config.after).kind == "adapter"
    return Models(
        loader(config.before), loader(config.after),
        tuple(loader(name) for name in config.retrained if not _is_record(name)),
        tuple(load_record(name) for name in config.retrained if _is_record(name)),
        loader(config.after, merge=False) if adapter else None, _has_memory(config.after),
    )  # fmt: skip


def _has_memory(name: str) -> bool:
    """Whether one of the changes of BASE+CHANGE is a side memory."""
    base, change = split_change(name)
    return change is not None and (is_attachment(change) or _has_memory(base))


def _named_models(config: AuditRunConfig) -> tuple[str, ...]:
    return config.before, config.after, *(each for each in config.retrained if not _is_record(each))


def _named(texts: Sequence[str], attack: str) -> bool:
    return any(parse_name(text)[0] == attack for text in texts)


def _is_record(name: str) -> bool:
    """A run's folder, and neither a model's nor an adapter's (which may have a record beside it)."""
    folder = Path(name).expanduser()
    held = [(folder / each).is_file() for each in ("record.json", "adapter_config.json", "config.json")]
    return held == [True, False, False]


def _setting(measured: Mapping[str, Measured], sets: Sets, models: Models) -> Setting:
    forget = tuple(title for title, each in measured.items() if each.role == "forget")
    if not forget:
        raise ConfigError("nothing to audit: give --forget (a file, or hub:NAME) or --suite")
    asking = [title for title in forget if all(example.asks for example in measured[title].examples)]
    attacked = "forget" if "forget" in (asking or forget) else (asking or forget)[0]
    members = next((title for title in forget if title.startswith("membership")), attacked)
    control: Control = "twins" if sets.twins else "holdout" if sets.holdout else "none"
    if models.retrained or models.saved:
        control = "retrained models"
    notes = () if models.unmerged is None else (
        "What the adapter hides from those who leave it out: whoever has it beside its base has the base. Merge it.",
    )  # fmt: skip
    notes = (*notes, _OPEN) if models.beside else notes
    return Setting(measured, forget, attacked, members, control, notes)


def _with_room(config: AuditRunConfig, setting: Setting, encoder: Encoder) -> tuple[AuditRunConfig, Setting]:
    """One number of new tokens for every set, model and attack; what it cuts off an audit cannot say."""
    sets = {title: each.examples for title, each in setting.measured.items()}
    limit = config.evaluate.max_new_tokens or room(sets.values(), encoder)
    evaluate = config.evaluate.model_copy(update={"max_new_tokens": limit})
    cut = "; ".join(f"{title}: {text}" for title in setting.forget if (text := cut_off(sets[title], encoder, limit)))
    notes = (*setting.notes, f"How long answers go on: {cut}.") if cut else setting.notes
    return config.model_copy(update={"evaluate": evaluate}), replace(setting, notes=notes)


@dataclass(frozen=True)
class _Stage:
    """The same for every model: what is measured, what it is attacked with."""

    setting: Setting
    examiner: Examiner
    identities: Identities

    def examined(
        self, label: str, model: Model, digest: str, measured: Mapping[str, Measured], *, cells_only: bool = False,
        leave: str = "",
    ) -> Examined:  # fmt: skip
        metrics = self._cell_metrics() if cells_only else all_metrics(self.examiner.config, self._cell_metrics())
        evaluation = self.examiner.measure(label, model, digest, measured, metrics)
        texts = [text for text in self.examiner.attacks if text != leave]
        return replace(self.examiner.attack(label, model, digest, self._attacked, texts), evaluation=evaluation)

    def retrained(self, models: Models) -> Iterator[Examined]:
        """Retrained models are only measured where cells need it."""
        needed = {t: each for t, each in self.setting.measured.items() if t in (*self.setting.forget, "holdout")}
        peer = any("retrained" in chosen(text)[0].needs for text in self.examiner.attacks)
        for number, load in enumerate(models.retrained):
            with self.examiner.phases.phase(f"loading retrained model {number}"):
                model = self.examiner.peers["retrained"] if number == 0 and peer else load()
            digest = digest_of_model(model)
            self.identities.add(f"retrained model {number}", digest)
            yield self.examined(f"retrained model {number}", model, digest, needed, cells_only=True)

    def detached(self, load: Loader) -> Examined:
        """What the unlearned model says without its adapter."""
        return self.examiner.attack(
            "unlearned model, what stands beside it off", load(), "", self._attacked, [DETACH], keep=False
        )

    @property
    def _attacked(self) -> Sequence[Example]:
        return self.setting.measured[self.setting.attacked].examples

    def _cell_metrics(self) -> list[str]:
        names = [*(name for several in METRICS.values() for name in several), *REPORTED]
        return [*names, *(MEMBERSHIP if "holdout" in self.setting.measured else ())]


def all_metrics(config: AuditRunConfig, cells: Sequence[str]) -> list[str]:
    """Those of the settings, with their options, and those that cells are made of."""
    own = {_metric(text): text for text in config.evaluate.metrics}
    return [*own.values(), *(name for name in cells if name not in own)]


def _metric(text: str) -> str:
    """The registered name, whatever it is called by."""
    return metrics.get(parse_name(text)[0]).name


def _record(
    config: AuditRunConfig, arguments: Sequence[str], setting: Setting, sets: Sets, audit: Audit,
    before: tuple[ModelInfo, Examined], after: tuple[ModelInfo, Examined], phases: Phases, device: object,
) -> Record:  # fmt: skip
    (info, was), (became, now) = before, after
    measures = {name for each in (*was.evaluation.metrics.values(), was.evaluation.between) for name in each}
    glossary = readings(measures)
    for name in {cell.name for cell in audit.cells if cell.name in attacks}:
        entry = attacks.get(name)
        glossary[name] = Reading(title=entry.title, better="higher", reads=entry.reads)
    outcome = Outcome(
        after=as_json(now.evaluation), between=between_json(now.evaluation),
        configuration={"model": config.after, "digest": became.digest},
        generations=now.evaluation.generations if config.include_text else {},
    )  # fmt: skip
    edges, by = config.audit.edges, config.audit.by
    whole = [note for t in setting.forget if (note := one_bucket(t, setting.measured[t].examples, edges, by))]
    notes = dict.fromkeys((*sets.warnings, *was.evaluation.notes, *now.evaluation.notes, *whole))
    return Record(
        command="audit", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(device)),
        seeds={"audit": config.audit.seed}, model=info,
        sets={name: each.info(include_text=config.include_text) for name, each in setting.measured.items()},
        max_new_tokens=was.evaluation.max_new_tokens,
        before=as_json(was.evaluation), between=between_json(was.evaluation), methods={"unlearned": outcome},
        audit=audit, glossary=dict(sorted(glossary.items())),
        generations=was.evaluation.generations if config.include_text else {}, seconds=phases.seconds,
        peak_memory=peak_memory(), warnings=tuple(notes), include_text=config.include_text,
    )  # fmt: skip
