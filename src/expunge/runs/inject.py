"""The run behind `expunge world inject`: facts planted in a chosen region of the weights only."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from expunge.config import InjectConfig, differing
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.evaluate.measure import check_metrics
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.provenance import platform_facts, versions
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.failing import recorded
from expunge.runs.finetune import Lesson, taught
from expunge.runs.folder import CHECKPOINTS, check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_files, given_sets
from expunge.runs.measuring import model_info
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured
from expunge.suites import Suite
from expunge.train.finetune import region_of
from expunge.train.fitness import check_dtype
from expunge.worlds.injection import random_region, replayed

MASK = "mask.safetensors"  # the region: where the facts lie


def run_inject(
    config: InjectConfig,
    suite: Suite,
    out: Path,
    *,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Plant the suite's forget part; write `mask.safetensors`, `change.safetensors`, what `save_as` asks for, a record.

    Everything outside the mask keeps its bits, also under weight decay. Resumes as `run_finetune` does.
    """
    phases = phases or Phases()
    check_metrics(config.evaluate)
    check_dtype(config.load.dtype)
    mask = Mask.load(Path(config.mask).expanduser()) if config.mask else None
    if config.save_as == "peft":
        raise ConfigError("an injection trains no adapter: save as `change` or `full`")
    if config.train.lora or config.train.parameters:
        raise ConfigError("an injection trains its region: leave `lora` and `parameters` out")
    name, planted, measured = config.model or _untaught(suite), suite.planted(), _measured(suite)
    if not planted:
        raise ConfigError(f"{suite.name} has nothing to plant: its forget set is empty")
    check_inputs(out, (config.model, config.mask), overwrite=overwrite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    examples = replayed(planted, suite.training("retrained"), config.replay, config.region_seed)
    given = given_sets(suite.sets, suite, {"what is trained on": examples}) | given_files(config.mask)
    if (same := done_with(out, done, given, name, phases.say)) is not None:
        return same
    with phases.phase("loading the model"):
        model = load_model(name, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, Sets(retain=tuple(examples)), *(each.examples for each in measured.values()))
    region = random_region(model, config.budget, config.region_seed) if mask is None else mask
    lesson = Lesson(model, examples, encoder, measured, region_of(model, config.train, region))
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="world inject", arguments=tuple(arguments), configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(model.device)),
        model=info, given=given, seeds={"training": config.train.seed, "region": config.region_seed},
        include_text=config.include_text, warnings=(*suite.sets.warnings, *suite.notes),
    )  # fmt: skip
    save_record(record, out)
    with recorded(record, out, fresh=done is None, keep=lesson.keeper(config, out)):
        record = taught(record, config, lesson, out, phases, resume=resume)
    region.save(out / MASK)
    save_record(record, out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return record


def _untaught(suite: Suite) -> str:
    """The world's model that never saw what is planted."""
    if not suite.name.startswith("world:"):
        raise ConfigError(f"{suite.name} has no model of its own that never saw its forget set: give `model`")
    return f"{suite.name}@retrained"


def _measured(suite: Suite) -> dict[str, Measured]:
    """What is planted, and everything else that the suite measures: it should be as before."""
    found = {}
    for title, examples in suite.measured().items():
        role = suite.role(title)
        if role == "forget":
            found[title] = Measured(examples, "train", f"{title}: what is planted", suite.name)
        else:
            found[title] = Measured(examples, "test" if title in suite.utility else role, title, suite.name)
    return found
