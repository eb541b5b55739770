"""The run behind `expunge finetune`: measure a sample, train, measure again, save the change and the record."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from expunge.change import WeightChange
from expunge.config import FinetuneRunConfig, TaughtConfig, differing
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.lengths import check_lengths
from expunge.data.sampling import sample_of
from expunge.data.sets import load_examples
from expunge.errors import ConfigError
from expunge.evaluate.measure import Evaluation, check_metrics
from expunge.evaluate.strength import strength_watch
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import outline_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Outcome, Point, Record
from expunge.record_file import save_record
from expunge.runs.failing import recorded
from expunge.runs.folder import CHECKPOINTS, check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_files, given_sets
from expunge.runs.measuring import as_json, check_measured, kept_by, measure_sets, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.saving import CHANGE, change_info, save_model, signed
from expunge.runs.sets import Measured
from expunge.train.finetune import fit, region_of
from expunge.train.fitness import check_dtype
from expunge.train.trained import Trained

METHOD = "finetune"


def run_finetune(
    config: FinetuneRunConfig,
    out: Path,
    *,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Fine-tune and write `record.json`, `change.safetensors` and what `save_as` asks for to `out`.

    Settings and data are checked before the model is loaded. Killed at any moment, the same call with `resume` goes
    on from the last checkpoint to the same bits.
    """
    phases = phases or Phases()
    mask = _check(config)
    check_inputs(out, (config.model, config.data, config.mask), overwrite=overwrite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    examples, warnings = load_examples(config.data, config.columns)
    for warning in warnings:
        phases.say(warning)
    measured = _measured(config, examples)
    check_measured(measured, config.evaluate)
    given = given_sets(Sets(), further={"data": examples}) | given_files(config.mask)
    if (same := done_with(out, done, given, config.model, phases.say)) is not None:
        return same
    if (outline := outline_of(config.model, config.load, say=phases.say)) is not None:
        region_of(outline, config.train, mask)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, Sets(retain=examples))
    mask = region_of(model, config.train, mask)
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="finetune", arguments=tuple(arguments), configuration=config.model_dump(), changed=differing(config),
        versions=versions(), platform=platform_facts(str(model.device)), seeds={"training": config.train.seed},
        model=info, given=given, warnings=warnings, include_text=config.include_text,
    )  # fmt: skip
    save_record(record, out)
    lesson = Lesson(model, examples, encoder, measured, mask)
    with recorded(record, out, fresh=done is None, keep=lesson.keeper(config, out)):
        record = taught(record, config, lesson, out, phases, resume=resume)
    save_record(record, out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return record


def _measured(config: FinetuneRunConfig, examples: Sequence[Example]) -> dict[str, Measured]:
    """A sample of what is trained on, where that is much."""
    chosen = sample_of(examples, config.train.sample, config.train.seed)
    note = "" if len(chosen) == len(examples) else f"a sample of the {len(examples):,} that were trained on"
    return {"data": Measured(chosen, "train", "what was trained on", config.data, note)}


def _check(config: FinetuneRunConfig) -> Mask | None:
    """All that can be seen to be wrong without the data; the mask is read."""
    check_metrics(config.evaluate)
    check_dtype(config.load.dtype)
    if config.save_as == "peft" and config.train.lora is None:
        raise ConfigError("save_as='peft' needs an adapter: set `lora` (a rank)")
    if config.mask and config.train.parameters:
        raise ConfigError("`mask` and `parameters` both say what may change: give one of them")
    return Mask.load(Path(config.mask).expanduser()) if config.mask else None


@dataclass(frozen=True)
class Lesson:
    """A loaded model, what it is taught, what is measured before and after, and which weights may change."""

    model: Model
    examples: Sequence[Example]
    encoder: Encoder
    measured: Mapping[str, Measured]
    mask: Mask | None

    def keeper(self, config: TaughtConfig, out: Path) -> Callable[[Trained], object]:
        """What saves a training that did not come to its end."""
        return lambda trained: signed(trained, self.model.name, config.train).save(out / CHANGE)


def taught(record: Record, config: TaughtConfig, lesson: Lesson, out: Path, phases: Phases, *, resume: bool) -> Record:
    """Measure, train, measure, save the change and what `save_as` asks for; the record of all that."""
    model, encoder, measured = lesson.model, lesson.encoder, lesson.measured
    sample = sample_of(lesson.examples, config.train.sample, config.train.seed)
    level = strength_watch(
        sample, encoder, budget=config.train.budget(model.device.type), bf16=config.train.precision == "bfloat16"
    )
    assert record.model is not None
    kept = kept_by(config.evaluate, phases, include_text=config.include_text).of(record.model.digest)
    before = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring before", kept)
    with phases.phase("fine-tuning") as tick:
        trained = fit(
            model, lesson.examples, config.train, level, convention=config.convention, mask=lesson.mask,
            folder=out / CHECKPOINTS, resume=resume,
            tick=lambda progress, steps: tick(1, f"step {progress.step} of {steps}", steps),
        )  # fmt: skip
    change = signed(trained, model.name, config.train)
    with change.applied_to(model):
        kept = kept.of(change.result_id)
        after = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring after", kept)
    change.save(out / CHANGE)
    save_model(change, model, config.save_as, out)
    return record.updated(
        status="done",
        sets={name: each.info(include_text=config.include_text) for name, each in measured.items()},
        max_new_tokens=before.max_new_tokens,
        before=as_json(before),
        generations=before.generations if config.include_text else {},
        methods={METHOD: _outcome(config, trained, change, after)},
        glossary=readings({metric for each in before.metrics.values() for metric in each}),
        seconds=phases.seconds,
        peak_memory=peak_memory(),
        warnings=(*record.warnings, *before.notes),
    )


def _outcome(config: TaughtConfig, trained: Trained, change: WeightChange, after: Evaluation) -> Outcome:
    points = tuple(
        Point(step=p.step, seconds=p.seconds, loss=p.loss, values={"extraction_strength": p.forget})
        for p in trained.points
    )
    return Outcome(
        after=as_json(after),
        generations=after.generations if config.include_text else {},
        trajectory=points,
        change=change_info(change),
        configuration=config.train.model_dump(),
        seconds={"training": trained.points[-1].seconds},
        peak_memory=peak_memory(),
        warnings=trained.notes,
    )
