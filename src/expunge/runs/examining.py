"""One model under an audit: measured, then attacked. What the store has of it is not done again."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

from expunge.attacks import AttackEntry, Finding, Target, attacks, why_not
from expunge.change.fingerprint import Fingerprint
from expunge.config import AuditRunConfig, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.evaluate.measure import Evaluation
from expunge.models.model import Model
from expunge.objectives.options import checked
from expunge.parameters import parameters_of
from expunge.provenance import versions
from expunge.runs.measuring import kept_by, measure_sets
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured, digest_of
from expunge.store import Store

_CODE = ("attacks", "data", "evaluate", "models", "train")  # folders of this package


class Peers(Mapping[str, Model]):
    """Models that an attack needs beside its target, loaded when one does, and then kept."""

    def __init__(self, loaders: Mapping[str, Callable[[], Model]]) -> None:
        self._loaders, self._loaded = dict(loaders), dict[str, Model]()

    def __getitem__(self, name: str) -> Model:
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)


@dataclass(frozen=True)
class Examined:
    """What was seen of one model."""

    evaluation: Evaluation
    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)  # attack as it was named → findings
    missing: dict[str, str] = field(default_factory=dict)  # attack → why it could not be run
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Examiner:
    """The same metrics and attacks, with the same settings and seeds, for every model."""

    config: AuditRunConfig
    attacks: tuple[str, ...]  # NAME:key=value
    sets: Sets
    peers: Peers
    store: Store
    phases: Phases
    code: str = field(default_factory=lambda: code_digest())

    def measure(self, label: str, model: Model, measured: Mapping[str, Measured], metrics: Sequence[str]) -> Evaluation:
        """All metrics on all sets, for cells and tables alike."""
        encoder = Encoder(model.tokenizer, self.config.convention)
        config = self.config.evaluate.model_copy(update={"metrics": tuple(metrics)})
        kept = kept_by(config, self.phases, include_text=self.config.include_text).of(digest_of_model(model))
        return measure_sets(model, measured, encoder, config, self.phases, f"measuring the {label}", kept)

    def attack(self, label: str, model: Model, examples: Sequence[Example]) -> Examined:
        """Every attack of the panel on one set of examples."""
        target = self._target(model, examples)
        result, shared = Examined(Evaluation()), self._key(model, examples)
        with self.phases.phase(f"attacking the {label}", len(self.attacks)) as tick:
            for text in self.attacks:
                tick(0, text)
                self._one(text, target, shared, result)
                tick(1, text)
        return result

    def _one(self, text: str, target: Target, shared: dict[str, Any], result: Examined) -> None:
        entry, options = chosen(text)
        if reason := why_not(entry, target):
            result.missing[text] = f"the {'audit' if reason.startswith('comes') else 'forget set'} {reason}"
            return
        key = {**shared, "attack": entry.name, "options": options, "code": self.code}
        key |= {name: digest_of_model(self.peers[name]) for name in ("original", "retrained") if name in entry.needs}
        started = time.monotonic()
        stored: Any = self.store.get("findings", key)
        if stored is None:
            try:
                stored = [asdict(finding) for finding in entry(target, **options)]
            except ConfigError as error:  # what only the model or the sets themselves can show
                result.missing[text] = str(error)
                return
            self.store.put("findings", key, stored)
        if not stored:
            result.missing[text] = "the forget set has no example that it can be made on"
            return
        result.seconds[text] = round(time.monotonic() - started, 3)
        result.findings[text] = tuple(_finding(each) for each in stored)

    def _target(self, model: Model, examples: Sequence[Example]) -> Target:
        config = self.config
        return Target(
            model=model, examples=tuple(examples), encoder=Encoder(model.tokenizer, config.convention), sets=self.sets,
            seed=config.audit.seed, max_new_tokens=config.evaluate.max_new_tokens, budget=config.evaluate.budget,
            bf16=config.evaluate.precision == "bfloat16", peers=self.peers,
        )  # fmt: skip

    def _key(self, model: Model, examples: Sequence[Example]) -> dict[str, Any]:
        """Everything that a finding depends on, but for the attack itself."""
        config = self.config
        return {
            "model": digest_of_model(model), "dtype": str(model.network.dtype), "device": model.device.type,
            "encoder": Encoder(model.tokenizer, config.convention).digest,
            "examples": digest_of(examples), "retain": digest_of(self.sets.retain),
            "holdout": digest_of(self.sets.holdout), "seed": config.audit.seed,
            "max_new_tokens": config.evaluate.max_new_tokens, "precision": config.evaluate.precision,
            "version": versions().get("expunge", ""),
        }  # fmt: skip


def chosen(text: str) -> tuple[AttackEntry, dict[str, Any]]:
    """An attack and its checked options from NAME:key=value. Raises UnknownNameError or ConfigError."""
    name, options = parse_name(text)
    entry = attacks.get(name)
    known = entry.options
    if unknown := [key for key in options if key not in known]:
        raise ConfigError(f"attack {name!r} has no option {unknown[0]!r}. Known: {', '.join(known) or 'none'}")
    return entry, {
        key: checked(f"option {key!r} of {name!r}", value, known[key].annotation) for key, value in options.items()
    }


def _finding(stored: Mapping[str, Any]) -> Finding:
    rows = stored["rows"]
    return Finding(
        scores=tuple(stored["scores"]), part=stored["part"], rows=None if rows is None else tuple(rows),
        control=tuple(stored["control"]), note=stored["note"], curve=tuple((x, y) for x, y in stored["curve"]),
    )  # fmt: skip


def code_digest() -> str:
    """Of all that attacks consist of: findings of an earlier version of it are not those of this one."""
    package = resources.files("expunge")
    files = [each for name in _CODE for each in package.joinpath(name).iterdir() if each.name.endswith(".py")]
    return hashlib.sha256(b"".join(each.read_bytes() for each in sorted(files, key=str))).hexdigest()[:16]


def digest_of_model(model: Model) -> str:
    """Of its weights."""
    return Fingerprint.of(parameters_of(model.network)).id
