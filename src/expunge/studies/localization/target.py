"""Targets: θ_r, which never saw the forget set, and θ_o, which knows it.

result.json            FS, RS, MU of both, θ_r's truth ratios on the forget rows; in full, what θ_r relearns
change.safetensors     θ_o - θ_r (planted, injected)        mask.safetensors     V_tgt (planted)
taught.safetensors     θ_r - base, where θ_r had to be made of a base model
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.change import WeightChange
from expunge.config import FinetuneConfig, LoadConfig, LocalizationStudyConfig
from expunge.data.convention import Encoder
from expunge.data.sampling import sample_of
from expunge.evaluate.strength import strength_watch
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.runs.folder import MASK
from expunge.studies.localization.arms import Target
from expunge.studies.localization.measures import Measures
from expunge.studies.localization.probing import relearnt, rounded
from expunge.studies.results import write_result
from expunge.suites import Suite
from expunge.train.finetune import fit
from expunge.worlds.finding import find_suite
from expunge.worlds.injection import random_region, replayed

CHANGE, TAUGHT = "change.safetensors", "taught.safetensors"


def make(folder: Path, *, config: Mapping[str, Any], target: Mapping[str, Any], seed: int) -> None:
    """The job: make both models and measure them."""
    study, which = LocalizationStudyConfig.model_validate(config), Target(**target)
    suite = suite_of(study, which, seed)
    folder.mkdir(parents=True, exist_ok=True)
    if study.base is not None and not (folder / TAUGHT).exists():
        _teach(study, suite, folder, seed)
    never = retrained(study, which, folder, seed)
    encoder = Encoder(never.tokenizer, suite.convention)
    if which.kind != "trained" and not (folder / CHANGE).exists():
        _plant(never, study, which, suite, encoder, folder, seed)
    measures = Measures.of(suite, encoder, study, seed)
    result: dict[str, Any] = {"never": _measured(never, measures, study)}
    if study.utility:
        result["truth_ratios"] = measures.truth_ratios(never)
    if study.full:  # the control of what is done to every result
        result["further"] = {
            "relearnt": relearnt(never, measures, suite, seed), "rounded": rounded(never, measures)
        }  # fmt: skip
    del never
    result["target"] = _measured(original(study, which, folder, seed), measures, study)
    write_result(folder, result)
    for work in ("teaching", "planting"):  # several times the model's size, and of no more use
        shutil.rmtree(folder / work, ignore_errors=True)


def suite_of(config: LocalizationStudyConfig, target: Target, seed: int) -> Suite:
    """The suite, its retain set cut to `config.retain` examples drawn by the seed."""
    suite = find_suite(target.suite)
    if config.retain is None:
        return suite
    kept = tuple(sample_of(suite.sets.retain, config.retain, seed))
    return replace(suite, sets=replace(suite.sets, retain=kept))


def retrained(config: LocalizationStudyConfig, target: Target, folder: Path, seed: int) -> Model:
    """θ_r."""
    if config.base is None:
        return load_model(f"{target.suite}@retrained#{seed}", LoadConfig(device="cpu"))
    model = load_model(config.base, LoadConfig(device="cpu"))
    WeightChange.load(folder / TAUGHT).apply_to(model)
    return model


def original(config: LocalizationStudyConfig, target: Target, folder: Path, seed: int) -> Model:
    """θ_o."""
    if target.kind == "trained":
        return load_model(f"{target.suite}@full#{seed}", LoadConfig(device="cpu"))
    model = retrained(config, target, folder, seed)
    WeightChange.load(folder / CHANGE).apply_to(model)
    return model


def region(folder: Path) -> Mask:
    """V_tgt of a planted target."""
    return Mask.load(folder / MASK)


def _teach(config: LocalizationStudyConfig, suite: Suite, folder: Path, seed: int) -> None:
    """θ_r of a base model: taught the retain set with all weights."""
    assert config.base is not None
    model = load_model(config.base, LoadConfig(device="cpu"))
    encoder = Encoder(model.tokenizer, suite.convention)
    _fit(model, suite.sets.retain, config.teach, suite, encoder, folder / "teaching", seed).save(folder / TAUGHT)


def _plant(
    never: Model,
    config: LocalizationStudyConfig,
    target: Target,
    suite: Suite,
    encoder: Encoder,
    folder: Path,
    seed: int,
) -> None:
    planted, mask = suite.planted(), None
    if target.kind == "planted":
        mask = random_region(never, target.budget, seed, granularity=target.granularity)
        mask.save(folder / MASK, {"localizer": "oracle", "seed": seed})
    train: FinetuneConfig = config.plant
    if target.kind == "injected":  # all weights take smaller steps than a region
        train = train.model_copy(update={"learning_rate": train.learning_rate / 10})
    examples = replayed(planted, suite.training("retrained") if config.base is None else suite.sets.retain,
                        config.replay, seed)  # fmt: skip
    change = _fit(never, examples, train, suite, encoder, folder / "planting", seed, mask, planted)
    change.save(folder / CHANGE)


def _fit(
    model: Model, examples: Any, config: FinetuneConfig, suite: Suite, encoder: Encoder, work: Path, seed: int,
    mask: Mask | None = None, known: Any = None,
) -> WeightChange:  # fmt: skip
    """Resumes where a killed job was."""
    level = strength_watch(sample_of(known or examples, 50, seed), encoder, budget=1024)
    trained = fit(
        model, examples, config.model_copy(update={"seed": seed}), level, convention=suite.convention, mask=mask,
        folder=work, resume=True,
    )  # fmt: skip
    return trained.change


def _measured(model: Model, measures: Measures, config: LocalizationStudyConfig) -> dict[str, float]:
    found = measures.strength(model)
    values = {"FS": found.FS, "RS": found.RS}
    return {**values, "MU": measures.utility(model)} if config.utility else values
