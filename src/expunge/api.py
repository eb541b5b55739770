"""The functions of the Python surface: settings as keywords, checked like those of the command line."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.change import Attachment, Change
from expunge.config import (
    AuditConfig,
    AuditRunConfig,
    ConventionConfig,
    EvaluateConfig,
    ExtrapolateConfig,
    LoadConfig,
    TrainConfig,
    extrapolate_settings,
    localizer_settings,
    parse_name,
    settings,
)
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.lengths import check_lengths
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.evaluate.measure import Evaluation, measure
from expunge.mask import Mask
from expunge.models import changes, loading
from expunge.models.model import Model
from expunge.procedures import procedures
from expunge.record import Record
from expunge.record_file import load_record
from expunge.report import write_report
from expunge.runs import editing
from expunge.runs.audit import Models, audit_models, check_audit, check_strata
from expunge.runs.extrapolating import Aims, Alpha, Scoring, check_extrapolate, check_needs, extrapolate, retained
from expunge.runs.localizing import check_localize, localized
from expunge.runs.phases import Phases
from expunge.runs.saving import signed
from expunge.runs.sets import Measured, wordings
from expunge.runs.unlearn import check_losses, extended
from expunge.suites import Suite
from expunge.train.fitness import check_idle
from expunge.train.retrained import retrained_level
from expunge.train.trained import Trained
from expunge.train.unlearn import check_frequency, train
from expunge.worlds.finding import find_suite

Convention = ConventionConfig | Mapping[str, Any] | None
PathLike = str | os.PathLike[str]


def load_model(name: str, **options: Any) -> Model:
    """The model that `name` means: a Hub id, a folder, a PEFT adapter, a GGUF file, "smollm2", or BASE+CHANGE.

    `options` are those of `config.LoadConfig`: device, dtype, attention, trust_remote_code. Raises ModelError when
    there is no such model or none that Expunge can work on, ConfigError for an option that does not exist.
    """
    return loading.load_model(name, settings(LoadConfig, options))


def load_suite(name: str) -> Suite:
    """The sets, convention and metrics of a public suite or a world: "tofu:forget05", "world:people:size=3M".

    `suite.sets` is what `unlearn` and `evaluate` take; give them `convention=suite.convention`, too. Raises
    UnknownNameError for a name that there is not, DataError for what is wrong with the suite's files.
    """
    return find_suite(name)


def unlearn(
    model: Model,
    data: Sets,
    method: str = "npo",
    *,
    seed: int = 0,
    mask: Mask | None = None,
    localize: str | None = None,
    budget: float | None = None,
    retrained: Model | str | None = None,
    convention: Convention = None,
    **options: Any,
) -> Change:
    """Make the model forget `data.forget` and keep `data.retain`: what has to be done to its weights for that.

    The model itself is unchanged afterwards, bit for bit; `change.applied_to(model)` changes it within a block,
    `change.apply_to(model)` for good. `method` is NAME or NAME:option=value, as is `retain_loss`; `mask` says which
    weights may change, or `localize` (a localizer, NAME:key=value) finds them within `budget`; `retrained`, a model
    that never saw the forget set or its name, says what never-known looks like (else twins or the holdout set do) and
    is what some losses measure against; `options` are those of
    `config.TrainConfig` (epochs, learning_rate, retain_loss, …) and `convention` those of `config.ConventionConfig`.
    `change.record` holds the settings and which step was kept.

    Raises UnknownNameError, ConfigError or DataError before anything is trained, and DivergedError, with what the run
    gave until then, when the training goes astray.
    """
    gold = retrained if isinstance(retrained, Model) else None
    values = {**_named("method", "options", method), "seed": seed, **options}
    values["retrained"] = gold.name if gold is not None else retrained
    if isinstance(options.get("retain_loss"), str):
        values |= _named("retain_loss", "retain_options", options["retain_loss"])
    if localize is not None:
        if mask is not None:
            raise ConfigError("`localize` and `mask` both say what may change: give one of them")
        values["localize"] = {**localizer_settings(localize), **({} if budget is None else {"budget": budget})}
    elif budget is not None:
        raise ConfigError("`budget` is how much a localizer may choose: give `localize`, too")
    config = settings(TrainConfig, values)
    check_losses(config)
    check_frequency(config, data)
    if config.method not in editors:
        check_idle(config, retain=bool(data.retain))
    if config.localize is not None:
        check_localize(config.localize)
    if config.extrapolate is not None:
        check_extrapolate(config.extrapolate)
        known = bool(data.twins or data.holdout or config.retrained)
        check_needs(config.extrapolate, never=known, retain=bool(data.retain))
        retained(config.extrapolate, data, config.seed)
    how = _convention(convention)
    encoder = Encoder(model.tokenizer, how, model.layout.places)
    check_lengths(encoder, data, *Aims.of(config.extrapolate))
    if config.method in editors:
        if mask is not None:
            raise ConfigError(f"{config.method!r} chooses its own weights: leave `mask` out")
        if config.retrained is not None and config.extrapolate is None:
            raise ConfigError(f"{config.method!r} is an editor, which has no use for `retrained`: leave it out")
        editors.get(config.method).check(config.options)
        editing.check_options(config)
        editing.check_sets(config, data)
        return _extended(model, data, editing.edit(model, data, config, encoder), config, encoder, gold)
    if config.method in procedures:
        if mask is not None:
            raise ConfigError(f"{config.method!r} chooses its own weights: leave `mask` out")
        procedures.get(config.method).check(config)
        never = retrained_level(model, gold or config.retrained, data, encoder, config)
        found = procedures.get(config.method).function(model, data, config, convention=how, never=never)
        return _extended(model, data, found.trained, config, encoder, gold)
    if config.localize is not None:
        mask, _ = localized(model, data, config.localize, encoder, Phases())
    never = retrained_level(model, gold or config.retrained, data, encoder, config)
    trained = train(model, data, config, convention=how, mask=mask, retrained=gold, never=never)
    return _extended(model, data, trained, config, encoder, gold)


def choose_alpha(
    model: Model,
    change: Change,
    data: Sets,
    selector: str = "nearest",
    *,
    retrained: Model | None = None,
    convention: Convention = None,
    **options: Any,
) -> Alpha:
    """How far to extrapolate a change of the model (UIPE): a number, for `change.scaled(1 + alpha)`.

    `alpha.why` says why, `alpha.info` holds the curve that was looked at, and `alpha.change` is the extrapolated
    change, also where it is not just a multiple. `selector` is NAME or NAME:option=value; `options` are those of
    `config.ExtrapolateConfig` (direction, grid, related, …). What never-known looks like is learnt from `retrained`,
    else from `data.twins`, else from `data.holdout`. The model is left with the bits it had.

    Raises UnknownNameError or ConfigError for what is wrong or missing, ChangeError for a change of another model and
    for a side memory.
    """
    config = settings(ExtrapolateConfig, {**extrapolate_settings(selector), **options})
    usual = TrainConfig()
    floor = config.floor(usual.utility_floor)
    scoring = Scoring(
        Encoder(model.tokenizer, _convention(convention), model.layout.places), usual.budget(model.device.type)
    )
    check_lengths(scoring.encoder, data, *Aims.of(config))
    return Alpha(extrapolate(model, data, change, config, scoring, floor=floor, seed=config.seed, retrained=retrained))


def edit(
    model: Model,
    facts: Sets | Sequence[Example],
    editor: str = "memit",
    *,
    target: str | None = None,
    seed: int = 0,
    convention: Convention = None,
    **options: Any,
) -> Change:
    """Redirect facts: after their prompts `target` is said. Returns what that does to the weights.

    The editors "grace" and "wise" return an attachment, a side memory beside the weights: there is no arithmetic on it,
    and `applied_to`, `apply_to` (attach), `revert_from` (detach) and `save` are as with a `WeightChange`.

    `facts` are examples (`data.forget`), or sets, of whose retain set the editor then leaves the keys as they are.
    `target` is refusal (the default), refusals (one of many), self (the model's own), empty, alternate, or a text.
    `editor` is NAME or NAME:option=value; `options` are the editor's own and those of `config.EditConfig`
    (merge_queries, corpus, …).
    The model itself is unchanged, bit for bit. `change.record["edit"]` says what was worth knowing.

    Raises UnknownNameError, ConfigError or DataError before anything is edited.
    """
    sets = facts if isinstance(facts, Sets) else Sets(forget=tuple(facts))
    named = _named("method", "options", editor)
    options = {"target": target, **options} if editors.get(named["method"]).facts else options
    values = {**named.get("options", {}), **{k: v for k, v in options.items() if v is not None}}
    config = settings(TrainConfig, {"method": named["method"], "options": values, "seed": seed})
    editors.get(config.method).check(config.options)
    editing.check_options(config)
    editing.check_sets(config, sets)
    encoder = Encoder(model.tokenizer, _convention(convention), model.layout.places)
    check_lengths(encoder, sets)
    change, notes = editing.changed(model, sets, config, encoder)
    record = {"model": model.name, "train": config.model_dump(mode="json"), "edit": list(notes)}
    found: Any = change  # either kind is a dataclass
    return replace(found, record=record)


def load_change(path: PathLike) -> Change:
    """A change from its file: a `WeightChange`, or the side memory of an attachment ("grace", "wise").

    Either has `applied_to`, `apply_to`, `revert_from` and `save`. Raises ChangeError for what is no such file.
    """
    return changes.load_change(os.fspath(path))


def evaluate(model: Model, data: Sets, *, convention: Convention = None, **options: Any) -> Evaluation:
    """Every metric on every set, and on each further wording of the prompts that a set has.

    `result["forget"]["probability"]` is a `Metric`. `options` are those of `config.EvaluateConfig` (metrics,
    max_new_tokens, …). Raises UnknownNameError, ConfigError or DataError before the model is run.
    """
    config = settings(EvaluateConfig, options)
    encoder = Encoder(model.tokenizer, _convention(convention), model.layout.places)
    check_lengths(encoder, data)
    if not (sets := _sets(data, config)):
        raise ConfigError("nothing to measure on: every set is empty")
    return measure(model, sets, encoder, config)


def audit(
    model: Model,
    change: Change,
    data: Sets,
    *,
    retrained: Model | Sequence[Model] = (),
    convention: Convention = None,
    evaluate: Mapping[str, Any] | None = None,
    **options: Any,
) -> Record:
    """Is it gone, what did it cost, and what brings it back? `record.audit` holds the cells, the rate and the verdict.

    `model` is the original, `change` what was done to it, `retrained` one or several models that never saw the forget
    set; without them `data.twins`, else `data.holdout`, stand in. `options` are those of `config.AuditConfig` (panel,
    attacks, delta, …), `evaluate` those of `config.EvaluateConfig`. The model is copied once and itself unchanged.

    Raises UnknownNameError or ConfigError before a model is run, DataError for what is too long and where `by` or
    `edges` need counts that the forget set has not.
    """
    how, golds = _convention(convention), [retrained] if isinstance(retrained, Model) else list(retrained)
    config = AuditRunConfig(
        before=model.name, after=f"{model.name}, unlearned", retrained=tuple(each.name for each in golds),
        convention=how, evaluate=settings(EvaluateConfig, evaluate or {}), audit=settings(AuditConfig, options),
    )  # fmt: skip
    check_audit(config, loaded=True)
    check_strata(config.audit, data)

    def unlearned() -> Model:
        copied = replace(model, network=copy.deepcopy(model.network))
        change.apply_to(copied)
        return copied

    loaders = tuple((lambda each=each: each) for each in golds)
    return audit_models(Models(lambda: model, unlearned, loaders, beside=isinstance(change, Attachment)), data, config)


def report(records: Record | PathLike | Sequence[Record | PathLike], path: PathLike) -> Path:
    """One report on one or several runs: HTML, Markdown or JSON by the ending of `path`, which it returns.

    A run is its record or its folder. Raises DataError for what is no record, ConfigError for another ending,
    OutputError where `path` is a record.
    """
    several = [records] if isinstance(records, Record | str | os.PathLike) else list(records)
    found = [each if isinstance(each, Record) else load_record(each) for each in several]
    return write_report(found, path)


def _extended(
    model: Model, data: Sets, trained: Trained, config: TrainConfig, encoder: Encoder, retrained: Model | None
) -> Change:
    further, info = extended(model, data, trained, config, encoder, Phases(), retrained=retrained)
    return signed(further, model.name, config, info)


def _named(name: str, options: str, text: str) -> dict[str, Any]:
    """`NAME:key=value` as two settings; "none" is no loss."""
    chosen, values = parse_name(text)
    return {name: None if chosen == "none" else chosen, **({options: values} if values else {})}


def _convention(given: Convention) -> ConventionConfig:
    return given if isinstance(given, ConventionConfig) else settings(ConventionConfig, given or {}, "convention")


def _sets(data: Sets, config: EvaluateConfig) -> dict[str, Any]:
    found = {}
    for name, examples in data.named():
        found[name] = examples
        if config.paraphrases and name in ("forget", "retain"):
            again = wordings(name, Measured(examples, name, name))  # type: ignore[arg-type]
            found.update({title: each.examples for title, each in again.items()})
    return found
