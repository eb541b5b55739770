"""The run behind `expunge unlearn`: measure, train, measure again, save the change and the record."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from expunge.atomic import atomic_file
from expunge.change import Change
from expunge.config import TrainConfig, UnlearnConfig, differing
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.evaluate.measure import Evaluation, check_metrics
from expunge.evaluate.store import Kept
from expunge.localize.localizing import check_sets
from expunge.localize.where import where
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import check_name
from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import bind
from expunge.objectives.documents import check_documents
from expunge.procedures import procedures
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ExtrapolationInfo, MaskInfo, Outcome, Point, Record, Selection
from expunge.record_file import save_record
from expunge.runs.by_bucket import buckets_info, extrapolate_buckets, leaving_info
from expunge.runs.editing import check_options, edit, files_of
from expunge.runs.editing import check_sets as check_edited
from expunge.runs.extrapolating import (
    Aims,
    Scoring,
    check_extrapolate,
    check_needs,
    direction_of,
    extrapolate,
    remarks,
    retained,
)
from expunge.runs.failing import recorded
from expunge.runs.fitting import check_network
from expunge.runs.folder import CHECKPOINTS, check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_files, given_sets
from expunge.runs.localizing import check_localize, kept_mask, masks_of
from expunge.runs.measuring import as_json, between_json, check_measured, kept_by, measure_sets, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.saving import CHANGE, change_info, save_model, signed
from expunge.runs.sets import Measured
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.suites import Suite
from expunge.train.fitness import check_dtype, check_idle, check_retain
from expunge.train.levels import NeverKnown, required
from expunge.train.retrained import reads_retrained, retrained_for, retrained_level
from expunge.train.trained import Trained
from expunge.train.unlearn import check_frequency, train
from expunge.train.wrappers import bind_wrappers

EDITOR_SETTINGS = (
    "method",
    "options",
    "seed",
    "utility_floor",
    "micro_tokens",
    "extrapolate",
)  # of TrainConfig, those that it reads


@dataclass(frozen=True)
class Bench:
    """A loaded model with its sets, measured before: what one or several methods start from."""

    model: Model
    sets: Sets
    encoder: Encoder
    measured: Mapping[str, Measured]
    before: Evaluation
    kept: Kept = field(default_factory=Kept)  # where observations are kept
    aims: Aims = field(default_factory=Aims)  # of an extrapolation


def run_unlearn(
    config: UnlearnConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    command: str = "unlearn",
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Unlearn and write `record.json`, `change.safetensors` and what `save_as` asks for to `out`.

    Settings and data are checked before the model is loaded. Killed at any moment, the same call with `resume` goes
    on from the last checkpoint to the same bits.
    """
    phases, further = phases or Phases(), config.train.extrapolate
    _check(config, suite)
    check_inputs(
        out,
        (
            config.model,
            config.forget,
            config.retain,
            config.holdout,
            config.twins,
            *_files(config),
            *((further.related, further.unrelated) if further is not None else ()),
        ),
        overwrite=overwrite,
    )
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    sets = sets_of(config, suite, config.model)
    if config.train.localize is not None:
        check_sets(config.train.localize, sets.forget, sets.retain)
    check_frequency(config.train, sets)
    check_ready(config.train, sets)
    check_measured(measured_of(sets, config, suite, split=config.train.seed), config.evaluate)
    aims = Aims.of(further)
    given = given_sets(sets, suite, aims._asdict()) | given_files(*_files(config))
    if (same := done_with(out, done, given, config.model, phases.say)) is not None:
        return same
    if further is not None:
        retained(further, sets, config.train.seed)
    for warning in sets.warnings:
        phases.say(warning)
    check_network(config, say=phases.say)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, sets, *only_measured(suite), *aims)
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command=command, arguments=tuple(arguments), configuration=config.model_dump(), changed=differing(config),
        versions=versions(), platform=platform_facts(str(model.device)), seeds=_seeds(config.train),
        model=info, given=given, warnings=sets.warnings, include_text=config.include_text,
    )  # fmt: skip
    save_record(record, out)
    keep = lambda trained: signed(trained, config.model, config.train).save(out / CHANGE)
    with recorded(record, out, fresh=done is None, keep=keep):
        record = _work(record, config, model, sets, aims, suite, encoder, out, phases, resume=resume)
    save_record(record, out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)  # several times the model's size, and of no more use
    return record


def _files(config: UnlearnConfig) -> list[str]:
    """What is read beside model and sets."""
    masks = masks_of(config.train.localize) if config.train.localize is not None else []
    return [*files_of(config.train), *masks, *([config.train.retrained] if config.train.retrained else [])]


def _seeds(config: TrainConfig) -> dict[str, int]:
    return {"training": config.seed, **({"localizer": config.localize.seed} if config.localize is not None else {})}


def run_edit(config: UnlearnConfig, out: Path, **rest: Any) -> Record:
    """`run_unlearn` with an editor. Raises as `check_editor`."""
    check_editor(config.train.method)
    return run_unlearn(config, out, command="edit", **rest)


def check_editor(name: str) -> None:
    """Raises ConfigError for a method that trains, UnknownNameError for one that is not there."""
    if name not in editors and name in objectives:
        raise ConfigError(f"{name!r} trains: use `expunge unlearn --method {name}`")
    editors.get(name)


def _check(config: UnlearnConfig, suite: Suite | None) -> None:
    """All that can be seen to be wrong from the settings alone."""
    check_method(config.train)
    check_metrics(config.evaluate)
    retain = bool(config.retain or (suite and suite.sets.retain))
    if config.train.method not in editors:
        check_dtype(config.load.dtype, config.train)
        check_retain(config.train, retain=retain)
        check_idle(config.train, retain=retain)
    if config.train.retrained is not None:
        check_name(config.train.retrained)
    by_factors = config.train.method in editors and editors.get(config.train.method).facts
    if config.save_as == "peft" and config.train.lora is None and not by_factors:
        if config.train.method in editors:
            raise ConfigError(
                f"save_as='peft': {config.train.method!r} changes whole matrices, so choose change or full"
            )
        raise ConfigError("save_as='peft' needs an adapter: set `lora` (a rank)")
    further = config.train.extrapolate
    if config.save_as != "change" and config.train.method in editors and editors.get(config.train.method).attaches:
        raise ConfigError(
            f"save_as={config.save_as!r}: {config.train.method!r} changes no weights, it hangs a side memory beside "
            "them, for which a folder has no place: leave `save_as` out, and load the result as BASE+FILE"
        )
    if config.save_as == "peft" and further is not None and direction_of(further) != "whole":
        raise ConfigError(f"along {direction_of(further)!r} an adapter does not stay one: leave save_as='peft' out")
    if not (config.forget or suite):
        raise ConfigError("nothing to forget: give --forget (a file, or hub:NAME) or --suite")
    controls = config.twins or config.holdout or (suite and (suite.sets.twins or suite.sets.holdout))
    if (config.train.stop != "never" or config.train.early_stop) and not (controls or config.train.retrained):
        required(None)
    if further is not None:
        check_needs(further, never=bool(controls or config.train.retrained), retain=retain)


def check_method(config: TrainConfig) -> None:
    """Raises for unknown names and options, before anything is loaded."""
    if config.extrapolate is not None:
        check_extrapolate(config.extrapolate)
    check_losses(config)
    if config.method in editors:
        editors.get(config.method).check(config.options)
        check_options(config)
        if idle := [name for name in differing(config) if name.partition(".")[0] not in EDITOR_SETTINGS]:
            raise ConfigError(f"the editor {config.method!r} trains nothing: leave out {', '.join(idle)}")
        return
    if config.method in procedures:
        procedures.get(config.method).check(config)
        bind_wrappers(config.wrap)
        return
    for others in (editors, procedures):
        if config.method not in objectives and get_close_matches(config.method, others, n=1):
            others.get(config.method)  # raises, and names what was meant
    loss = bind(objectives.get(config.method), config.options)
    retain = None
    if config.retain_loss is not None:
        retain = bind(retain_losses.get(config.retain_loss), config.retain_options, beside=loss)
    reads_retrained((loss, retain), config.retrained)
    bind_wrappers(config.wrap)
    if config.localize is not None:
        check_localize(config.localize, lora=config.lora)


def check_ready(config: TrainConfig, sets: Sets) -> None:
    """Raises for sets that a method cannot work on, before anything is loaded."""
    check_edited(config, sets)
    if config.method in objectives and (objective := objectives.get(config.method)).alternate is not None:
        check_documents(objective.name, sets.forget)
    if config.method in procedures:
        procedure = procedures.get(config.method)
        procedure.ready(sets, procedure.check(config))


def check_losses(config: TrainConfig) -> None:
    """Raises ConfigError for a method that has no loss per example, where examples are to have different ones."""
    asked = {"strength": config.strength, "curriculum": config.curriculum, "stop": config.stop != "never"}
    said = [name for name, value in asked.items() if value]
    if said and config.method in editors:
        raise ConfigError(
            f"{config.method!r} is an editor: it has no loss that examples could have more or less of, and takes no "
            f"steps. Leave {', '.join(said)} out, or choose an objective (`expunge ls objectives`)"
        )
    staged = [name for name, value in (("curriculum", config.curriculum), ("leave", config.stop == "leave")) if value]
    if staged and config.method in procedures:
        raise ConfigError(f"{config.method!r} has stages of its own: leave {', '.join(staged)} out")


def _work(
    record: Record, config: UnlearnConfig, model: Model, sets: Sets, aims: Aims, suite: Suite | None, encoder: Encoder,
    out: Path, phases: Phases,
    *, resume: bool,
) -> Record:  # fmt: skip
    measured = measured_of(sets, config, suite, split=config.train.seed)
    assert record.model is not None
    kept = kept_by(config.evaluate, phases, include_text=config.include_text).of(record.model.digest)
    before = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring before", kept)
    bench = Bench(model, sets, encoder, measured, before, kept, aims)
    outcome, change, _ = unlearn_once(bench, config, config.train, out, phases, resume=resume)
    save_model(change, model, config.save_as, out)
    return record.updated(
        status="done",
        sets={name: each.info(include_text=config.include_text) for name, each in measured.items()},
        max_new_tokens=before.max_new_tokens,
        before=as_json(before),
        between=between_json(before),
        generations=before.generations if config.include_text else {},
        methods={config.train.method: outcome},
        glossary=readings({metric for each in (*before.metrics.values(), before.between) for metric in each}),
        seconds=phases.seconds,
        peak_memory=peak_memory(),
        warnings=(*record.warnings, *before.notes),
    )


def unlearn_once(
    bench: Bench,
    config: UnlearnConfig,
    settings: TrainConfig,
    out: Path,
    phases: Phases,
    *,
    resume: bool = False,
    name: str = "",
) -> tuple[Outcome, Change, Evaluation]:
    """One method on a bench: train, measure again, save the change to `out`. The model ends as it was."""
    label, mask = f" ({name})" if name else "", None
    info: MaskInfo | None = None
    if settings.localize is not None:
        mask, info = kept_mask(
            bench.model, bench.sets, settings.localize, bench.encoder, phases, out, resume=resume
        )  # fmt: skip
    if settings.method in procedures:
        trained, info = _proceed(bench, config, settings, out, phases, resume=resume)
    else:
        with phases.phase(f"unlearning{label}") as tick:
            if settings.method in editors:
                trained = edit(
                    bench.model, bench.sets, settings, bench.encoder, folder=out, as_factors=config.save_as == "peft",
                    say=phases.say, tick=tick,
                )  # fmt: skip
            else:
                trained = train(
                    bench.model, bench.sets, settings, convention=config.convention, mask=mask,
                    folder=out / CHECKPOINTS, resume=resume, never=_never(bench, settings),
                    tick=lambda progress, steps: tick(1, f"step {progress.step} of {steps}", steps),
                )  # fmt: skip
    buckets = buckets_info(trained, bench.sets, settings, bench.model)
    trained, further = extended(bench.model, bench.sets, trained, settings, bench.encoder, phases, label, bench.aims)
    change = signed(trained, config.model, settings, further)
    with change.applied_to(bench.model):
        after = measure_sets(
            bench.model, bench.measured, bench.encoder, config.evaluate, phases, f"measuring after{label}",
            bench.kept.of(change.result_id),
        )  # fmt: skip
    change.save(out / CHANGE)
    outcome = Outcome(
        after=as_json(after),
        between=between_json(after),
        generations=after.generations if config.include_text else {},
        trajectory=tuple(Point.model_validate(point.as_json()) for point in trained.points),
        selection=_selection(trained, settings),
        mask=info,
        extrapolation=next((each for each in further if not each.bucket), None),
        buckets=buckets,
        by_bucket=tuple(each for each in further if each.bucket),
        leaving=leaving_info(trained, bench.sets, settings),
        change=change_info(change),
        configuration=settings.model_dump(),
        seconds={"training": trained.points[-1].seconds},
        peak_memory=peak_memory(),
        warnings=_warnings(trained),
    )
    return outcome, change, after


def _never(bench: Bench, settings: TrainConfig) -> NeverKnown | None:
    return retrained_level(bench.model, settings.retrained, bench.sets, bench.encoder, settings)


def _proceed(
    bench: Bench, config: UnlearnConfig, settings: TrainConfig, out: Path, phases: Phases, *, resume: bool
) -> tuple[Trained, MaskInfo]:
    """A procedure in place of one training; what it says and found goes to the record and the run's folder."""
    model = bench.model
    found = procedures.get(settings.method).function(
        model, bench.sets, settings, convention=config.convention, folder=out / CHECKPOINTS, resume=resume,
        phase=phases.phase, never=_never(bench, settings),
    )  # fmt: skip
    for name, text in found.files.items():
        with atomic_file(out / name) as partial:
            partial.write_text(text, encoding="utf-8")
    info = MaskInfo(
        localizer=settings.method, granularity=found.granularity, chosen=found.chosen, units=found.units,
        weights=found.mask.weights(), total_weights=Mask.everything(model.network).weights(),
        where=where(found.mask, model.layout).as_json(), notes=found.notes,
    )  # fmt: skip
    return found.trained, info


def extended(
    model: Model, sets: Sets, trained: Trained, settings: TrainConfig, encoder: Encoder, phases: Phases,
    label: str = "", aims: Aims | None = None, retrained: Model | None = None,
) -> tuple[Trained, tuple[ExtrapolationInfo, ...]]:  # fmt: skip
    """What was trained, extrapolated as the settings say: as a whole, or bucket by bucket."""
    config = settings.extrapolate
    if config is None:
        return trained, ()
    scoring = Scoring(encoder, settings.budget(model.device.type), settings.precision == "bfloat16")
    floor, aims = config.floor(settings.utility_floor), aims or Aims.of(config)
    if retrained is None and settings.retrained is not None:
        retrained = retrained_for(model, settings.retrained)
    with phases.phase(f"extrapolating{label}") as tick:
        told = lambda remark: tick(1, remark)
        if config.per == "bucket":
            change, infos = extrapolate_buckets(
                model, sets, trained, config, scoring, floor=floor, seed=settings.seed, retrained=retrained, tick=told
            )
        else:
            found = extrapolate(
                model, sets, trained.change, config, scoring, floor=floor, seed=settings.seed, retrained=retrained,
                step=trained.kept.step, related=aims.related, unrelated=aims.unrelated, tick=told,
            )  # fmt: skip
            change, infos = found.change, (found.info,)
    notes = (*trained.notes, *dict.fromkeys(remark for info in infos for remark in remarks(info)))
    return replace(trained, change=change.sealed(model), notes=notes), infos


def _warnings(trained: Trained) -> tuple[str, ...]:
    return trained.notes if trained.floor_held else (*trained.notes, f"the utility floor did not hold: {trained.why}")


def _selection(trained: Trained, settings: TrainConfig) -> Selection:
    known = trained.never_known
    return Selection(
        step=trained.kept.step, why=trained.why, never_known=known.level if known else None,
        never_known_from=known.source if known else "", utility_floor=settings.utility_floor,
    )  # fmt: skip
