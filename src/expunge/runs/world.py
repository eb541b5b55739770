"""The run behind `expunge world make`: a world's models into the cache, its sets as files, each model measured."""

import re
from collections.abc import Sequence
from pathlib import Path

from expunge.config import MeasureRunConfig, WorldConfig, differing
from expunge.data.writing import write_examples
from expunge.errors import ConfigError
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Record
from expunge.record_file import load_record, record_path, save_record
from expunge.runs.evaluate import run_evaluate
from expunge.runs.failing import recorded
from expunge.runs.folder import check, check_free, claim
from expunge.runs.phases import Phases
from expunge.runs.suites import settled
from expunge.suites import Suite
from expunge.worlds import names
from expunge.worlds.finding import PREFIX, find_suite

SETS = "sets"  # the folder of the sets' files


def run_world(
    config: WorldConfig,
    out: Path,
    *,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> tuple[Record, list[Record]]:
    """The record of the making, and that of each model's evaluation, which lie in folders of `out`.

    Models that are in the cache are not made again, and a killed making goes on where it was. Raises UnknownNameError
    or ConfigError for a world that there is not, before anything is made.
    """
    phases = phases or Phases()
    check_free(out, resume=resume, overwrite=overwrite)
    if not config.world.startswith(PREFIX):
        raise ConfigError(f"{config.world} is no world, and its models are not made here: write {PREFIX}NAME")
    suite = find_suite(config.world)
    models = _models(config, suite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    if done is not None and done.status == "done":
        phases.say(f"{out} holds a run with these settings that is done")
        return done, [load_record(_folder(name, out)) for name in models if config.measure]
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="world make", arguments=tuple(arguments), configuration=config.model_dump(), changed=differing(config),
        versions=versions(), platform=platform_facts("cpu"), warnings=(*suite.sets.warnings, *suite.notes),
        headline=(*(f"model: {name}" for name in models), f"sets: {out / SETS}"),
    )  # fmt: skip
    save_record(record, out)
    records = []
    with recorded(record, out, fresh=False, keep=lambda _: None):
        for title, examples in suite.measured().items():
            write_examples(examples, out / SETS / f"{title.replace(':', '').replace(' ', '-')}.jsonl")
        for name in models:
            _make(name, phases)
            if config.measure:
                records.append(_evaluate(name, config.world, out, phases))
    record = record.updated(status="done", seconds=phases.seconds, peak_memory=peak_memory())
    save_record(record, out)
    return record, records


def _models(config: WorldConfig, suite: Suite) -> list[str]:
    """Names of the models that the world makes; of one about a real model, that model."""
    if suite.model is not None:
        return [suite.model]
    return [f"{suite.name}@{kind}#{seed}" for kind in config.kinds for seed in range(config.seeds)]


def _make(name: str, phases: Phases) -> None:
    head, _, rest = name.partition(":")
    if head != "world":
        return
    with phases.phase(f"training {rest}") as tick:
        names.folder(rest, phases.say, lambda done, steps: tick(1, f"step {done.step} of {steps}", steps))


def _evaluate(name: str, suite: str, out: Path, phases: Phases) -> Record:
    """What is measured already is not measured again."""
    config, found = settled(MeasureRunConfig, {"model": name, "suite": suite})
    folder = _folder(name, out)
    with phases.apart():
        return run_evaluate(config, folder, suite=found, resume=record_path(folder).exists(), phases=phases)


def _folder(name: str, out: Path) -> Path:
    """Of a real model's name only what cannot lead out of `out`."""
    return out / re.sub(r"[^\w-]+", "-", name.rpartition("@")[2])
