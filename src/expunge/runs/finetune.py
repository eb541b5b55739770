"""The run behind `expunge finetune`: measure a sample, train, measure again, save the change and the record."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from expunge.change import WeightChange
from expunge.config import FinetuneRunConfig, differing
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.lengths import check_lengths
from expunge.data.sets import load_examples
from expunge.errors import ConfigError, DivergedError, UsageError
from expunge.evaluate.measure import Evaluation, check_metrics
from expunge.evaluate.strength import sample_of, strength_watch
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Outcome, Point, Record
from expunge.record_file import save_record
from expunge.runs.folder import CHECKPOINTS, check, claim, discard
from expunge.runs.measuring import as_json, measure_sets, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured
from expunge.runs.unlearn import CHANGE, change_info, save_model, signed
from expunge.train.finetune import fit
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
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    if done is not None and done.status == "done":
        phases.say(f"{out} holds a run with these settings that is done")
        return done
    examples, warnings = load_examples(config.data, config.columns)
    for warning in warnings:
        phases.say(warning)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention)
    check_lengths(encoder, Sets(retain=examples))
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="finetune", arguments=tuple(arguments), configuration=config.model_dump(), changed=differing(config),
        versions=versions(), platform=platform_facts(str(model.device)), seeds={"training": config.train.seed},
        model=model_info(model), warnings=warnings, include_text=config.include_text,
    )  # fmt: skip
    save_record(record, out)
    try:
        record = _work(record, config, model, examples, encoder, mask, out, phases, resume=resume)
    except KeyboardInterrupt:
        save_record(record.updated(status="interrupted"), out)
        raise
    except UsageError:
        if done is None:
            discard(out)  # what only the model could show to be a mistake; nothing stays behind
        raise
    except DivergedError as error:  # the last good state is the user's all the same
        if error.trained is not None:
            signed(error.trained, config.model, config.train).save(out / CHANGE)
        save_record(record.updated(status="failed", warnings=(*record.warnings, str(error))), out)
        raise
    except Exception:
        save_record(record.updated(status="failed"), out)
        raise
    save_record(record, out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return record


def _check(config: FinetuneRunConfig) -> Mask | None:
    """All that can be seen to be wrong without the data; the mask is read."""
    check_metrics(config.evaluate)
    if config.save_as == "peft" and config.train.lora is None:
        raise ConfigError("save_as='peft' needs an adapter: set `lora` (a rank)")
    if config.mask and config.train.parameters:
        raise ConfigError("`mask` and `parameters` both say what may change: give one of them")
    return Mask.load(Path(config.mask).expanduser()) if config.mask else None


def _work(
    record: Record, config: FinetuneRunConfig, model: Model, examples: Sequence[Example], encoder: Encoder,
    mask: Mask | None, out: Path, phases: Phases, *, resume: bool,
) -> Record:  # fmt: skip
    chosen = sample_of(examples, config.train.sample, config.train.seed)
    note = "" if len(chosen) == len(examples) else f"a sample of the {len(examples):,} that were trained on"
    measured = {"data": Measured(chosen, "train", "what was trained on", config.data, note)}
    level = strength_watch(
        chosen, encoder, budget=config.train.budget(model.device.type), bf16=config.train.precision == "bfloat16"
    )
    before = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring before")
    with phases.phase("fine-tuning") as tick:
        trained = fit(
            model, examples, config.train, level, convention=config.convention,
            mask=mask, folder=out / CHECKPOINTS, resume=resume,
            tick=lambda progress, steps: tick(1, f"step {progress.step} of {steps}", steps),
        )  # fmt: skip
    change = signed(trained, config.model, config.train)
    with change.applied_to(model):
        after = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring after")
    change.save(out / CHANGE)
    save_model(change, model, config.save_as, out)
    return record.updated(
        status="done",
        sets={name: each.info(include_text=config.include_text) for name, each in measured.items()},
        before=as_json(before),
        generations=before.generations if config.include_text else {},
        methods={METHOD: _outcome(config, trained, change, after)},
        glossary=readings({metric for each in before.metrics.values() for metric in each}),
        seconds=phases.seconds,
        peak_memory=peak_memory(),
        warnings=(*record.warnings, *before.notes),
    )


def _outcome(config: FinetuneRunConfig, trained: Trained, change: WeightChange, after: Evaluation) -> Outcome:
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
