"""The job that asks every localizer where a planted forget set lies: how much of V_tgt it finds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from expunge.config import LocalizationStudyConfig
from expunge.data.convention import Encoder
from expunge.localize import localizers
from expunge.localize.overlap import overlap
from expunge.localize.units import units_of
from expunge.studies.localization.arms import Target
from expunge.studies.localization.regions import mask_of
from expunge.studies.localization.target import original, region, suite_of
from expunge.studies.results import write_result
from expunge.suites import Suite


def asked(config: LocalizationStudyConfig, suite: Suite, granularity: str) -> list[str]:
    """The localizers that score units of this kind and have what they look at; the oracle is told.

    Of a real model only those of the study, since some go through the set a hundred times.
    """
    subjects = all(example.subject for example in suite.sets.forget)
    found = []
    for name in localizers:
        each = localizers.get(name)
        if each.budgeted and granularity in each.granularities and (subjects or not each.subjects):
            found.append(name)
    return [n for n in found if config.base is None or n in ("random", *config.localizers)]


def recall(
    folder: Path, *, config: Mapping[str, Any], target: Mapping[str, Any], seed: int, target_folder: str
) -> None:
    """Recall and precision of each, and what a uniform draw has on average; random knows nothing of the region here."""
    study, which, place = LocalizationStudyConfig.model_validate(config), Target(**target), Path(target_folder)
    suite, model, known = suite_of(study, which, seed), original(study, which, place, seed), region(place)
    encoder = Encoder(model.tokenizer, suite.convention)
    every = units_of(model, which.granularity)
    chance = known.density(every.mask(torch.ones(every.count, dtype=torch.bool)))
    found = {}
    for name in asked(study, suite, which.granularity):
        found[name] = overlap(mask_of(name, model, which, suite, encoder, seed, None), known)
    write_result(folder, {"seed": seed, "chance": chance, "localizers": found})
