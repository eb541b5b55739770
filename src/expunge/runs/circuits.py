"""The run behind `expunge circuits`: circuits and classes as JSON, the formula, masks of the classes, a record."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from expunge.atomic import atomic_file
from expunge.circuits.classes import check_explained, circuits_of, mask_of, said_of, what_it_depends_on
from expunge.circuits.contrast import check_swap
from expunge.circuits.graph import graph_of
from expunge.config import CircuitsRunConfig, differing
from expunge.data.by_file import by_file
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.models.halfway import Halfway
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import outline_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Record
from expunge.record_circuits import CLASSES, Circuits
from expunge.record_file import save_record
from expunge.runs.failing import recorded
from expunge.runs.folder import CHECKPOINTS, check, check_inputs, claim
from expunge.runs.given import done_on, done_with, given_sets
from expunge.runs.measuring import model_info
from expunge.runs.phases import Phases
from expunge.runs.suites import sets_of
from expunge.suites import Suite

FILE, FORMULA = "circuits.json", "circuits.cnf"


def run_circuits(
    config: CircuitsRunConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Write everything to `out` and return the record. Settings and data are checked before the model is loaded.

    A run that was killed goes on with `resume` to the same bits. Raises ConfigError, DataError or OutputError.
    """
    phases = phases or Phases()
    if not (config.forget or suite):
        raise ConfigError("nothing to look for: give --forget (a file, or hub:NAME) or --suite")
    check_inputs(out, (config.model, config.forget, config.retain), overwrite=overwrite)
    done = check(out, config.model_dump(), resume=resume, overwrite=overwrite)
    sets = sets_of(config, suite, config.model)
    if not sets.forget or not sets.retain:
        raise ConfigError("circuits are compared: give a forget set and at least one retain set")
    for warning in sets.warnings:
        phases.say(warning)
    given = given_sets(sets)
    if (same := done_with(out, done, given, config.model, phases.say)) is not None:
        return same
    check_swap({"forget": sets.forget, **by_file(sets.retain)}, config.circuits.swap)
    if (outline := outline_of(config.model, config.load, say=phases.say)) is not None:
        check_explained(graph_of(outline, config.circuits.granularity, groups=config.circuits.groups), config.explain)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, sets)
    info = model_info(model)
    if (same := done_on(out, done, info, phases.say)) is not None:
        return same
    claim(out, config.model_dump(), resume=resume, overwrite=overwrite)
    record = Record(
        command="circuits", arguments=tuple(arguments), status="running", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(model.device)),
        seeds={"circuits": config.circuits.seed}, model=info, given=given, warnings=sets.warnings,
    )  # fmt: skip
    save_record(record, out)
    with recorded(record, out, fresh=done is None, keep=lambda _: None):
        found = _found(config, model, sets, encoder, record, out, phases)
    record = record.updated(
        status="done", circuits=found, headline=said_of(found), seconds=phases.seconds, peak_memory=peak_memory()
    )
    save_record(record, out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return record


def _found(
    config: CircuitsRunConfig, model: Model, sets: Sets, encoder: Encoder, record: Record, out: Path, phases: Phases
) -> Circuits:
    """Circuits and classes, which are written with the formula and the masks."""
    assert record.model is not None
    several = by_file(sets.retain)
    key = what_it_depends_on(record.model.digest, sets.forget, several, config.circuits, encoder)
    found, formula = circuits_of(
        model, sets.forget, several, config.circuits, encoder, explained=config.explain,
        halfway=Halfway(out / CHECKPOINTS / "circuits.safetensors", key), phase=phases.phase,
    )  # fmt: skip
    for name, text in ((FILE, found.model_dump_json() + "\n"), (FORMULA, formula)):
        with atomic_file(out / name) as partial:
            partial.write_text(text, encoding="utf-8")
    for which in CLASSES[:2]:
        if names := found.of(which):
            mask = mask_of(model, found, which, groups=config.circuits.groups)
            mask.save(out / f"{which}.safetensors", {"localizer": "clue", "class": which, "nodes": names})
    return found
