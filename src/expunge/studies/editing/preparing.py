"""The jobs before the edits: models, the corpus of the key statistics, settings tried on the pilot seed."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from expunge.atomic import atomic_file
from expunge.config import EditingStudyConfig, LoadConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.edit.corpus import corpus_of
from expunge.edit.work import tokens_of
from expunge.errors import ExpungeError
from expunge.evaluate.strength import strength_watch
from expunge.models.loading import load_model
from expunge.studies.editing.arms import Arm
from expunge.studies.editing.editing import applied
from expunge.studies.editing.scene import TAUGHT, Scene, knowing, never, path_of, scene_of
from expunge.studies.editing.targets import with_targets
from expunge.studies.people import BUDGET, is_world
from expunge.studies.results import read_result, write_result
from expunge.suites import Suite
from expunge.train.finetune import fit
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite
from expunge.worlds.injection import replayed

CORPUS = "corpus.jsonl"


def model(folder: Path, *, config: Mapping[str, Any], kind: str, seed: int) -> None:
    """The job: a model of the world is made, or found in the cache."""
    name = f"{EditingStudyConfig.model_validate(config).suite}@{kind}#{seed}"
    load_model(name, LoadConfig(device="cpu"))
    write_result(folder, {"model": name})


def teach(folder: Path, *, config: Mapping[str, Any], seed: int) -> None:
    """The job: a model that never saw the persons is fine-tuned on all texts about them."""
    study = EditingStudyConfig.model_validate(config)
    suite, model = find_suite(study.suite), never(study, seed)
    planted = suite.planted()
    examples = replayed(planted, suite.training("retrained"), study.replay, seed)
    level = strength_watch(sample_of(planted, 50, seed), Encoder(model.tokenizer, suite.convention), budget=BUDGET)
    trained = fit(
        model, examples, study.teach.model_copy(update={"seed": seed}), level, convention=suite.convention,
        folder=folder / "teaching", resume=True,
    )  # fmt: skip
    trained.change.save(folder / TAUGHT)
    shutil.rmtree(folder / "teaching", ignore_errors=True)
    write_result(folder, {"strength": trained.points[-1].forget})


def corpus(folder: Path, *, config: Mapping[str, Any]) -> None:
    """The job: a corpus for the key statistics, and for editors that ask for texts that are to stay.

    Of a world the texts that do not tell of the facts, else what the model itself says: once, for editors would draw it
    anew at every edit.
    """
    study = EditingStudyConfig.model_validate(config)
    suite = find_suite(study.suite)
    texts = _untold(suite) if is_world(study.suite) else _own(study, suite)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / CORPUS) as partial:
        partial.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    write_result(folder, {"texts": len(texts)})


def _untold(suite: Suite) -> list[str]:
    """Texts that do not tell of the facts, in a drawn order: editors read the first ones only."""
    texts = suite.training("retrained")
    order = np.random.default_rng(0).permutation(len(texts))
    return [" ".join(filter(None, (texts[i].prompt, texts[i].answer))) for i in order]


def _own(study: EditingStudyConfig, suite: Suite) -> list[str]:
    """The model's own, as many as editors would have it say."""
    model = knowing(study, suite, study.knowledge[0], 0, None)
    return list(corpus_of(None, own=tokens_of(model, study.corpus_tokens)).texts(model))


def pilot(
    folder: Path, *, config: Mapping[str, Any], knowledge: str, seed: int, method: str, count: int,
    candidates: Sequence[float], corpus: str | None, taught: str | None,
) -> None:  # fmt: skip
    """The job: every candidate of one method, by the distance to never-known with the floor of utility held."""
    study = EditingStudyConfig.model_validate(config)
    arm = Arm(method, method, count)
    scene = with_targets(scene_of(study, knowledge, seed, path_of(taught)), study, [arm.kind])
    facts = scene.facts[:count]
    selection = sample_of(halves(scene.sets.retain, seed)[0], study.eval_rows, seed)
    known, start = _never(scene, facts, study.eval_rows), _level(scene, selection)
    losses: dict[str, float] = {}
    for value in candidates:
        place = f"{value:g}.json"
        if (found := read_result(folder, place)) is None:
            try:
                with applied(scene, study, arm, facts, {method: value}, corpus):
                    utility = _level(scene, selection)
                    missing = max(0.0, study.utility_floor - utility / start)
                    found = {"loss": 1 + missing if missing else abs(_level(scene, facts) - known)}
            except ExpungeError as error:  # what overflows, or has no such block, is no candidate
                found = {"loss": None, "note": str(error)}
            write_result(folder, found, place)
        losses[f"{value:g}"] = found["loss"]
    usable = {value: losses[f"{value:g}"] for value in candidates if losses[f"{value:g}"] is not None}
    if not usable:
        raise ExpungeError(f"{method}: none of the settings tried could be run")
    write_result(folder, {"chosen": min(usable, key=lambda value: usable[value]), "losses": losses})


def _never(scene: Scene, facts: Sequence[Example], rows: int | None) -> float:
    """The level of never-known answers; `rows` of a holdout set are enough."""
    encode, sets = scene.encoder.encode_all, scene.of(facts)
    if not sets.twins:
        sets = replace(sets, holdout=tuple(sample_of(sets.holdout, rows, scene.seed)))
    known = never_known(sets, lambda rows: mean_log_probs(scene.model, encode(rows), budget=BUDGET))
    return known.level if known is not None else 0.0


def _level(scene: Scene, rows: Sequence[Example]) -> float:
    return mean_log_probs(scene.model, scene.encoder.encode_all(rows), budget=BUDGET).exp().mean().item()
