"""The experiment that motivates the paper: gradient ascent on a target, with and without related facts in training.

A model that never saw the forget persons is taught their target facts, once alone and once together with the facts
that follow from them; then gradient ascent runs on the target alone. The paper finds forgetting and utility worse where
the related facts were taught. Never-known is here the model before it was taught: no twin has to stand in.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.change import WeightChange
from expunge.config import LoadConfig, UipeStudyConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.evaluate.strength import strength_watch
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.people import BUDGET, attribute_of, sized
from expunge.studies.results import read_result, write_result
from expunge.studies.uipe.measures import measured
from expunge.studies.uipe.plan import training
from expunge.studies.uipe.scene import scene_on
from expunge.studies.uipe.unlearning import unlearnt
from expunge.suites import Suite
from expunge.train.finetune import fit
from expunge.worlds.finding import find_suite
from expunge.worlds.injection import replayed

WITH, WITHOUT = "with related facts", "without"


def both(folder: Path, *, config: Mapping[str, Any], size: str, seed: int, rate: float) -> None:
    """The job: both models of a seed, taught and unlearnt."""
    study = UipeStudyConfig.model_validate(config)
    name = sized(study.suite, size)
    suite = find_suite(name)
    model = load_model(f"{name}@retrained#{seed}", LoadConfig(device="cpu"))
    found = {}
    for title, attributes in ((WITH, (study.target, *study.related)), (WITHOUT, (study.target,))):
        place = "with.json" if title == WITH else "without.json"
        if (result := read_result(folder, place)) is None:
            result = _one(model, study, suite, name, attributes, folder / place.removesuffix(".json"), seed, rate)
            write_result(folder, result, place)
        found[title] = result
    write_result(folder, {"seed": seed, "rate": rate, "conditions": found})


def _one(
    model: Model, config: UipeStudyConfig, suite: Suite, name: str, attributes: tuple[str, ...], work: Path, seed: int,
    rate: float,
) -> dict[str, Any]:  # fmt: skip
    scene = replace(scene_on(model, config, name, seed), wrong={})
    never = measured(model, scene.groups, scene.encoder, bf16=config.precision == "bfloat16")
    change = _taught(model, config, suite, attributes, work, seed)
    with change.applied_to(model):
        trace = unlearnt(scene, config, training(config, "gradient_ascent", rate, seed))
    return {"never": never, "trajectory": trace.as_json(), "note": trace.note}


def _taught(
    model: Model, config: UipeStudyConfig, suite: Suite, attributes: tuple[str, ...], work: Path, seed: int
) -> WeightChange:
    """The texts about these attributes, each as often as the other condition's, and the same retained ones."""
    planted = suite.planted()
    target = [text for text in planted if attribute_of(text) == config.target]
    facts = [text for text in planted if attribute_of(text) in attributes]
    retained: list[Example] = replayed(target, suite.training("retrained"), config.replay, seed)[len(target) :]
    level = strength_watch(sample_of(target, 50, seed), Encoder(model.tokenizer, suite.convention), budget=BUDGET)
    settings = config.teach.model_copy(update={"seed": seed})
    return fit(
        model, [*facts, *retained], settings, level, convention=suite.convention, folder=work, resume=True
    ).change  # fmt: skip
