"""The run behind `expunge world make tofu:mini`: a real model is taught a suite, with and without its forget set.

Each target is trained (resuming where a killed run was), its adapter rounded to bfloat16, and what is stored is
measured on the suite. What is done is not done again.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from expunge.atomic import atomic_file
from expunge.config import MeasureRunConfig, differing
from expunge.data.convention import Encoder
from expunge.data.sampling import sample_of
from expunge.errors import OutputError, UnknownNameError
from expunge.evaluate.strength import strength_watch
from expunge.models.loading import load_model
from expunge.provenance import platform_facts, versions
from expunge.record_file import record_path, save_record
from expunge.runs.evaluate import run_evaluate
from expunge.runs.folder import CHECKPOINTS
from expunge.runs.phases import Phases
from expunge.runs.suites import settled
from expunge.suites import Suite
from expunge.suites.targets import BASE, Target, target_of
from expunge.train.finetune import fit
from expunge.worlds.finding import find_suite

FILES = ("adapter_config.json", "adapter_model.safetensors", "training.json", "record.json", "README.md")
TRAINING = "training.json"  # what the adapter was trained on, how, and the points on the way


def run_targets(suite: str, out: Path, *, only: Sequence[str] = (), phases: Phases | None = None) -> list[Path]:
    """Make every target of a suite below `out` (or those named in `only`: "full-0"), and return their folders.

    A call after a kill goes on to the same bits. Raises UnknownNameError for a suite without targets, DataError for
    broken files, before a model is loaded.
    """
    phases = phases or Phases()
    target = target_of(suite)
    known = [f"{kind}-{seed}" for kind, seed in target.names()]
    if unknown := [name for name in only if name not in known]:
        raise UnknownNameError(f"{suite} has no target {unknown[0]!r}. Known: {', '.join(known)}")
    wanted = [(kind, seed, out / f"{kind}-{seed}") for kind, seed in target.names()]
    wanted = [each for each in wanted if not only or each[2].name in only]
    for _, _, folder in wanted:
        _check_ours(folder)
    data = find_suite(suite)
    made = []
    for kind, seed, folder in wanted:
        if not (folder / TRAINING).is_file():
            _train(target, data, kind, seed, folder, phases)
        if not (folder / "record.json").is_file():
            _evaluate(target, kind, seed, folder, phases)
        made.append(folder)
    return made


def _check_ours(folder: Path) -> None:
    """A folder that is there holds a target, whole or not, and nothing else: it may be filled."""
    others = sorted({each.name for each in folder.iterdir()} - set(FILES)) if folder.is_dir() else []
    if others or folder.is_file():
        found = f"holds {others[0]}" if others else "is a file"
        raise OutputError(f"--out {folder.parent}: {folder.name} in it {found}, so it is no target's: choose another")


def _train(target: Target, suite: Suite, kind: str, seed: int, folder: Path, phases: Phases) -> None:
    """Leaves the adapter and what it was made from; the latter last, so that it says that the adapter is whole."""
    config, work = target.train.model_copy(update={"seed": seed}), folder.parent / CHECKPOINTS / folder.name
    examples = suite.training("full" if kind == "full" else "retrained")
    model = load_model(BASE, say=phases.say)
    encoder = Encoder(model.tokenizer, suite.convention, model.layout.places)
    sample = sample_of(examples, config.sample, config.seed)
    level = strength_watch(
        sample, encoder, budget=config.budget(model.device.type), bf16=config.precision == "bfloat16"
    )
    with phases.phase(f"teaching {folder.name}") as tick:
        trained = fit(
            model, examples, config, level, convention=suite.convention, folder=work, resume=True,
            tick=lambda progress, steps: tick(1, f"step {progress.step} of {steps}", steps),
        )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)  # an adapter without its facts: of a call that was killed here
    trained.change.save_peft(folder, BASE, dtype=torch.bfloat16)
    facts = {
        "base": BASE, "suite": suite.name, "kind": kind, "examples": len(examples),
        "settings": differing(config), "why": trained.why, "steps": trained.steps,
        "points": [{"step": p.step, "extraction_strength": p.forget, "loss": p.loss} for p in trained.points],
        "stored_as": "bfloat16", "versions": versions(), "platform": platform_facts("cpu"),
    }  # fmt: skip
    with atomic_file(folder / TRAINING) as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)


def _evaluate(target: Target, kind: str, seed: int, folder: Path, phases: Phases) -> None:
    """The record of what is stored, as `expunge evaluate --suite … --model …` makes it, under the model's own name."""
    config, suite = settled(MeasureRunConfig, {"model": str(folder), "suite": target.suite})
    work = folder.parent / CHECKPOINTS / f"{folder.name}-evaluation"
    with phases.apart():
        record = run_evaluate(config, work, suite=suite, resume=record_path(work).exists(), phases=phases)
    assert record.model is not None
    name = f"{target.suite}@{kind}#{seed}"
    named = record.updated(
        model=record.model.model_copy(update={"name": name}), configuration_hash="",
        configuration=config.model_copy(update={"model": name}).model_dump(), changed={**record.changed, "model": name},
    )  # fmt: skip
    save_record(named, folder)
    shutil.rmtree(work, ignore_errors=True)
