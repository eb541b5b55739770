"""The run behind `expunge evaluate`: one model, its sets, every metric, a record."""

from collections.abc import Sequence
from pathlib import Path

from expunge.config import EvaluateRunConfig, MeasureRunConfig, differing
from expunge.data.convention import Encoder
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.evaluate.harness import Task, load_tasks
from expunge.evaluate.measure import check_metrics
from expunge.models.loading import load_model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.folder import check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_sets
from expunge.runs.harness import run_tasks
from expunge.runs.measuring import as_json, between_json, check_measured, kept_by, measure_sets, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.suites import measured_of, only_measured, sets_of
from expunge.suites import Suite


def run_evaluate(
    config: MeasureRunConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Measure and write `record.json`. Everything about the data is checked before the model is loaded.

    The data of lm-eval tasks are there by then, too, or an error names what could not be had.
    """
    phases = phases or Phases()
    if not config.evaluate.metrics:
        raise ConfigError("nothing to measure: name at least one metric")
    check_metrics(config.evaluate)
    check_inputs(out, (config.model, config.forget, config.retain, config.holdout, config.twins), overwrite=overwrite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    sets = sets_of(config, suite, config.model)
    for warning in sets.warnings:
        phases.say(warning)
    measured = measured_of(sets, config, suite)
    check_measured(measured, config.evaluate)
    given = given_sets(sets, suite)
    if (same := done_with(out, done, given, config.model, phases.say)) is not None:
        return same
    tasks = _tasks(config, phases)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, sets, *only_measured(suite))
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    kept = kept_by(config.evaluate, phases, include_text=config.include_text).of(info.digest)
    seen = measure_sets(model, measured, encoder, config.evaluate, phases, "measuring", kept)
    beside = run_tasks(model, tasks, phases, bf16=config.evaluate.precision == "bfloat16")
    sizes = {name: each.info(include_text=config.include_text) for name, each in measured.items()}
    record = Record(
        command="evaluate", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(model.device)),
        seeds={"bootstrap": config.evaluate.seed}, model=info, given=given,
        sets={**sizes, **beside.sets}, max_new_tokens=seen.max_new_tokens,
        before={**as_json(seen), **beside.metrics}, between=between_json(seen),
        generations=seen.generations if config.include_text else {},
        glossary=readings({metric for metrics in (*seen.metrics.values(), seen.between) for metric in metrics})
        | beside.glossary,
        seconds=phases.seconds, peak_memory=peak_memory(), warnings=(*sets.warnings, *seen.notes),
        include_text=config.include_text,
    )  # fmt: skip
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    save_record(record, out)
    return record


def _tasks(config: MeasureRunConfig, phases: Phases) -> list[Task]:
    if not isinstance(config, EvaluateRunConfig) or not config.lm_eval:
        return []
    with phases.phase("reading the tasks of lm-eval"):
        return load_tasks(config.lm_eval)
