"""The run behind `expunge relate`: R of each example with each, and what went along with the forget set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from expunge.config import EvaluateConfig, RelateRunConfig, differing
from expunge.data.convention import Encoder
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.evaluate.relatedness import Related, chosen_parameters, relatedness, what_it_depends_on
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.evaluate.went_along import NEEDS, Known, known
from expunge.models.halfway import Halfway
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import check_name, outline_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Record
from expunge.record_file import save_record
from expunge.report.relations.words import said_of
from expunge.runs.failing import recorded
from expunge.runs.folder import CHECKPOINTS, check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_files, given_sets
from expunge.runs.measuring import kept_by, model_info
from expunge.runs.phases import Phases
from expunge.runs.relating import as_record
from expunge.runs.sets import Measured, evenly
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.suites import Suite

FORGET = "forget"


def check_relate(config: RelateRunConfig) -> None:
    """Raises ConfigError or ModelError for what can be seen to be wrong before sets are read."""
    if not (config.forget or config.suite):
        raise ConfigError("nothing to relate: give --forget (a file, or hub:NAME) or --suite")
    if config.after is not None:
        check_name(config.after)


def run_relate(
    config: RelateRunConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Write `record.json` and return it. Settings and data are checked before a model is loaded.

    A run that was killed goes on with `resume`: what it had of the gradients' products lies in its folder.
    """
    phases = phases or Phases()
    check_relate(config)
    read = (config.model, config.after, config.forget, config.retain, config.holdout, config.twins)
    check_inputs(out, read, overwrite=overwrite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    sets = sets_of(config, suite, config.model)
    for warning in sets.warnings:
        phases.say(warning)
    measured = compared_sets(measured_of(sets, _without_wordings(config), suite), config)
    given = given_sets(sets, suite) | given_files(config.after)
    if (same := done_with(out, done, given, config.model, phases.say)) is not None:
        return same
    _check_networks(config, phases)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, sets, *only_measured(suite))
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    chosen_parameters(model, config.relate.parameters)  # raises before anything is written
    record = _begun(config, arguments, measured, info, sets.warnings, str(model.device)).updated(given=given)
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    save_record(record, out)
    with recorded(record, out, fresh=done is None, keep=lambda _: None):
        # first, and its model goes again: gradients need the room, and a model that cannot be had says so now
        seen = None if config.after is None else _went(model, info, measured, config, phases)
        found = _related(model, measured, encoder, config, phases, out, info)
        related = as_record(found, config, measured, seen)
        record = record.updated(
            status="done", related=related, headline=said_of(related), seconds=phases.seconds, peak_memory=peak_memory()
        )
        save_record(record, out)
    _halfway(out).unlink(missing_ok=True)
    if (out / CHECKPOINTS).is_dir() and not any((out / CHECKPOINTS).iterdir()):
        (out / CHECKPOINTS).rmdir()
    return record


def compared_sets(measured: Mapping[str, Measured], config: RelateRunConfig) -> dict[str, Measured]:
    """What is looked at of each set. Raises ConfigError where there is nothing to compare with."""
    if FORGET not in measured:
        raise ConfigError("nothing to relate: the forget set is empty; give --forget (a file, or hub:NAME)")
    if config.after is not None and len(measured) == 1:
        raise ConfigError("--after asks what else went: give --retain, --holdout or a --suite beside the forget set")
    rows, seed = config.relate.examples, config.relate.seed
    if rows is None:
        return dict(measured)
    return {name: replace(each, examples=evenly(each.examples, rows, seed)) for name, each in measured.items()}


def _check_networks(config: RelateRunConfig, phases: Phases) -> None:
    """What the networks themselves show to be wrong, before their weights are read."""
    outline = outline_of(config.model, config.load, say=phases.say)
    if outline is not None:
        chosen_parameters(outline, config.relate.parameters)
    if config.after is not None:
        outline_of(config.after, config.load, say=phases.say)


def _without_wordings(config: RelateRunConfig) -> RelateRunConfig:
    """Further wordings of a question are the same knowledge once more."""
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"paraphrases": False})})


def _related(
    model: Model, measured: Mapping[str, Measured], encoder: Encoder, config: RelateRunConfig, phases: Phases,
    out: Path, info: ModelInfo,
) -> Related:  # fmt: skip
    sets = {name: each.examples for name, each in measured.items()}
    encoded = encoder.encode_all(example for several in sets.values() for example in several)
    names = chosen_parameters(model, config.relate.parameters)
    halfway = Halfway(_halfway(out), what_it_depends_on(info.digest, encoded, names, config.relate))
    with phases.phase("taking gradients") as tick:
        return relatedness(
            model, sets, config.relate, encoder, tick=lambda done, total: tick(done, "", total), halfway=halfway
        )


def _halfway(out: Path) -> Path:
    return out / CHECKPOINTS / "products.safetensors"


def _went(
    model: Model, info: ModelInfo, measured: Mapping[str, Measured], config: RelateRunConfig, phases: Phases
) -> tuple[ModelInfo, list[Known], list[Known]]:
    """What is known of each example before and after, set by set, and which model came after."""
    scoring = config.evaluate.model_copy(update={"precision": config.relate.precision})
    kept = kept_by(scoring, phases, include_text=False)
    before = _known(model, info.digest, measured, config, scoring, kept, phases, "scoring the model before")
    assert config.after is not None
    with phases.phase("loading the model after"):
        other = load_model(config.after, config.load, say=phases.say)
    became = model_info(other)
    after = _known(other, became.digest, measured, config, scoring, kept, phases, "scoring the model after")
    return became, before, after


def _known(
    model: Model, digest: str, measured: Mapping[str, Measured], config: RelateRunConfig, scoring: EvaluateConfig,
    kept: Kept, phases: Phases, what: str,
) -> list[Known]:  # fmt: skip
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    found: list[Known] = []
    with phases.phase(what, sum(len(each.examples) for each in measured.values())) as tick:
        for each in measured.values():
            shelf = Shelf(kept.of(digest), Question.of(model, each.examples, encoder, scoring))
            found += known(shelf.observe(NEEDS))
            tick(len(each.examples))
    return found


def _begun(
    config: RelateRunConfig, arguments: Sequence[str], measured: Mapping[str, Measured], info: ModelInfo,
    warnings: Sequence[str], device: str,
) -> Record:  # fmt: skip
    return Record(
        command="relate", arguments=tuple(arguments), status="running", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(device),
        seeds={"relate": config.relate.seed}, model=info, warnings=tuple(warnings), include_text=config.include_text,
        sets={name: each.info(include_text=config.include_text) for name, each in measured.items()},
    )  # fmt: skip
