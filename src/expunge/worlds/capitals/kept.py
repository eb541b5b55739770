"""Calibrations are made once for a model and kept.

    CACHE/worlds/capitals/WEIGHTS-KEY/KIND.json    what was found; WEIGHTS is the digest of the weights
    CACHE/worlds/capitals/files/FILES              the digest of the weights that these files hold

so that a model in local files need not be loaded again to find what it was asked. KEY is over the facts, the wordings
and the settings of the questions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from expunge.atomic import atomic_file
from expunge.config import CapitalsConfig, ConventionConfig, FactKind
from expunge.data.convention import Encoder
from expunge.evaluate.observations import observe
from expunge.models.attaching import identity_of
from expunge.models.builtin import Say
from expunge.models.cache import cache_folder
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.worlds.capitals import nowhere
from expunge.worlds.capitals.calibrating import calibrate_kind
from expunge.worlds.capitals.calibration import Calibration
from expunge.worlds.capitals.model_files import files_digest
from expunge.worlds.capitals.table import digest, facts

VERSION = 1  # to be raised when the rule of `calibrating.py` changes
CONVENTION = ConventionConfig(template="plain")


@dataclass(frozen=True)
class Calibrated:
    """All kinds of one model."""

    model: str  # as the user names it
    weights: str  # their digest
    kinds: Mapping[FactKind, Calibration]


def calibrated(config: CapitalsConfig, *, say: Say = lambda _: None) -> Calibrated:
    """What the model that the settings name knows; loads and asks it only if that is not in the cache."""
    files = files_digest(config.model, say)
    note = _home() / "files" / files if files else None
    if note is not None and note.is_file():
        weights = note.read_text(encoding="utf-8").strip()
        kept = _all(weights, config)
        if kept is not None:
            return Calibrated(config.model, weights, kept)
    say(f"world:capitals: asking {config.model} what it knows, once …")
    result = calibrate(load_model(config.model, say=say), config, say=say)
    if note is not None:
        with atomic_file(note) as partial:
            partial.write_text(result.weights, encoding="utf-8")
    return result


def calibrate(model: Model, config: CapitalsConfig, *, say: Say = lambda _: None) -> Calibrated:
    """What a loaded model knows, from the cache or asked now. `config.model` is not used."""
    weights = identity_of(model)
    encoder = Encoder(model.tokenizer, CONVENTION)

    def answer(examples: Sequence) -> list[str]:
        return observe(model, examples, encoder, {"generations"}, max_new_tokens=config.max_new_tokens).generations

    found: dict[FactKind, Calibration] = {}
    for kind in config.kinds:
        kept = _read(weights, kind, config)
        if kept is None:
            kept = calibrate_kind(kind, facts(kind), answer, config.shots)
            say(f"  {kept.summary}")
            with atomic_file(_file(weights, kind, config)) as partial:
                partial.write_text(kept.model_dump_json(indent=1), encoding="utf-8")
        found[kind] = kept
    return Calibrated(model.name, weights, found)


def _all(weights: str, config: CapitalsConfig) -> dict[FactKind, Calibration] | None:
    found: dict[FactKind, Calibration] = {}
    for kind in config.kinds:
        each = _read(weights, kind, config)
        if each is None:
            return None
        found[kind] = each
    return found


def _read(weights: str, kind: FactKind, config: CapitalsConfig) -> Calibration | None:
    try:
        return Calibration.model_validate_json(_file(weights, kind, config).read_bytes())
    except (OSError, ValidationError):  # not there, or of another version of this program
        return None


def _file(weights: str, kind: FactKind, config: CapitalsConfig) -> Path:
    asked = [VERSION, digest(facts(kind)), nowhere.NAMES[kind], config.shots, config.max_new_tokens]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    return _home() / f"{weights}-{key}" / f"{kind}.json"


def _home() -> Path:
    return cache_folder() / "worlds" / "capitals"
