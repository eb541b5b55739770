"""The job before all others: a model of the world is made, and taught the skill beside what it knows."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from expunge.config import ClueStudyConfig, LoadConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.observations import observe
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.clue import skill
from expunge.studies.clue.scene import TAUGHT
from expunge.studies.people import BUDGET
from expunge.studies.results import write_result
from expunge.suites import Suite
from expunge.train.finetune import fit
from expunge.worlds.finding import find_suite
from expunge.worlds.injection import replayed

SAMPLE = 64  # rows that say how much of something is known
OTHER_LISTS = 1000  # added to the seed: lists that nothing else has


def model(folder: Path, *, config: Mapping[str, Any], seed: int) -> None:
    """The job. What the model knows before and after it was taught is kept beside the change."""
    study = ClueStudyConfig.model_validate(config)
    name = f"{study.suite}@full#{seed}"
    made = load_model(name, LoadConfig(device="cpu"))
    result: dict[str, Any] = {"model": name}
    if study.skill:
        result |= _teach(made, find_suite(study.suite), study, seed, folder)
    write_result(folder, result)


def _teach(model: Model, suite: Suite, study: ClueStudyConfig, seed: int, folder: Path) -> dict[str, Any]:
    """As many lists as the model has read texts, and all those texts again. Resumes where a killed job was."""
    texts, words = suite.training("full"), skill.words_of(model.tokenizer)
    examples = replayed(skill.taught(words, len(texts), seed), texts, 1.0, seed)
    encoder = Encoder(model.tokenizer, suite.convention)
    lists = skill.asked(words, SAMPLE, seed + OTHER_LISTS)
    sets = {skill.SKILL: lists, "forget": suite.sets.forget, "retain": suite.sets.retain[:SAMPLE]}
    known = lambda: {title: exact(model, rows, encoder) for title, rows in sets.items()}
    before = known()
    trained = fit(
        model, examples, study.teach.model_copy(update={"seed": seed}), lambda _: exact(model, lists, encoder),
        convention=suite.convention, folder=folder / "teaching", resume=True,
    )  # fmt: skip
    trained.change.save(folder / TAUGHT)
    shutil.rmtree(folder / "teaching", ignore_errors=True)
    with trained.change.applied_to(model):
        return {"before": before, "after": known()}


def exact(model: Model, rows: tuple[Example, ...], encoder: Encoder) -> float:
    """Share of answers each of whose tokens is the likeliest."""
    seen = observe(model, rows, encoder, {"hits"}, budget=BUDGET)
    return sum(bool(each.within("without_end").hits.all()) for each in seen.right) / len(rows)
