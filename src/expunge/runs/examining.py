"""One model under an audit: measured, then attacked. What the store has of it is not done again."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from expunge.attacks import AttackEntry, Finding, Target, attacks, why_not
from expunge.config import AuditRunConfig, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import UsageError
from expunge.evaluate.identity import observation_key, untouched
from expunge.evaluate.measure import Evaluation
from expunge.models.attaching import attached_to, identity_of
from expunge.models.model import Model
from expunge.objectives.options import options_among
from expunge.runs.measuring import kept_by, measure_sets
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured, digest_of
from expunge.store import Store

PEERS = ("original", "retrained")
_NOT_OF_RESULTS = ("bench", "cli", "report", "suites", "worlds")  # folders that no finding depends on


class Peers(Mapping[str, Model]):
    """Models that an attack needs beside its target, loaded when one does, and then kept."""

    def __init__(self, loaders: Mapping[str, Callable[[], Model]]) -> None:
        self._loaders, self._loaded = dict(loaders), dict[str, Model]()

    def __getitem__(self, name: str) -> Model:
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._loaders  # without loading it

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
    seconds: dict[str, float] = field(default_factory=dict)  # attack → what it took when it was run
    digest: str = ""  # of the weights


@dataclass(frozen=True)
class Examiner:
    """The same metrics and attacks, with the same settings and seeds, for every model."""

    config: AuditRunConfig
    attacks: tuple[str, ...]  # NAME:key=value
    sets: Sets
    peers: Peers
    store: Store
    phases: Phases

    def measure(
        self, label: str, model: Model, digest: str, measured: Mapping[str, Measured], metrics: Sequence[str]
    ) -> Evaluation:
        """All metrics on all sets, for cells and tables alike."""
        encoder = Encoder(model.tokenizer, self.config.convention, model.layout.places)
        config = self.config.evaluate.model_copy(update={"metrics": tuple(metrics)})
        kept = kept_by(config, self.phases, include_text=self.config.include_text).of(digest)
        return measure_sets(model, measured, encoder, config, self.phases, f"measuring the {label}", kept)

    def attack(
        self, label: str, model: Model, digest: str, examples: Sequence[Example], texts: Sequence[str] | None = None,
        *, of: str = "the forget set", keep: bool = True,
    ) -> Examined:  # fmt: skip
        """Every attack of the panel (or `texts`) on one set of examples; `of` is its name in reasons."""
        target, named = self._target(model, examples), self.attacks if texts is None else texts
        result, shared = Examined(Evaluation(), digest=digest), self._key(target, digest) if keep else None
        with self.phases.phase(f"attacking the {label}", len(named)) as tick:
            for text in named:
                tick(0, text)
                self._one(text, target, shared, result, of)
                tick(1, text)
        return result

    def _one(self, text: str, target: Target, shared: dict[str, Any] | None, result: Examined, of: str) -> None:
        entry, options = chosen(text)
        if reason := why_not(entry, target):
            result.missing[text] = f"{'the audit' if reason.startswith('comes') else of} {reason}"
            return
        try:
            stored = self._stored(entry, options, target, shared)
        except UsageError as error:  # what only the model or the sets themselves can show
            result.missing[text] = str(error)
            return
        result.seconds[text] = stored["seconds"]
        if stored["findings"]:
            result.findings[text] = tuple(_finding(each) for each in stored["findings"])
        else:
            result.missing[text] = f"{of} has no example that it can be made on"

    def _stored(
        self, entry: AttackEntry, options: dict[str, Any], target: Target, shared: dict[str, Any] | None
    ) -> dict[str, Any]:
        """From the store, else found now and kept; `shared` is None for models that the store does not know."""
        key = {}
        if shared is not None:
            key = {**shared, "attack": entry.name, "options": options}
            key |= {name: digest_of_model(self.peers[name]) for name in PEERS if name in entry.needs}
            if (stored := self.store.get("findings", key)) is not None:
                return stored  # type: ignore[reportReturnType]  # as it was put below
        started = time.monotonic()
        findings = [asdict(finding) for finding in entry(target, **options)]
        found = {"findings": findings, "seconds": round(time.monotonic() - started, 3)}
        if shared is not None:
            self.store.put("findings", key, found)
        return found

    def _target(self, model: Model, examples: Sequence[Example]) -> Target:
        config = self.config
        encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
        return Target(
            model=model, examples=tuple(examples), encoder=encoder, sets=self.sets,
            seed=config.audit.seed, max_new_tokens=config.evaluate.max_new_tokens, budget=config.evaluate.budget,
            bf16=config.evaluate.precision == "bfloat16", peers=self.peers, attached=attached_to(model),
        )  # fmt: skip

    def _key(self, target: Target, digest: str) -> dict[str, Any] | None:
        """Everything that a finding depends on, but for the attack itself. None: nothing may be kept of this model."""
        if not untouched(target.model):
            return None
        observed = observation_key(
            target.model, digest, target.encoder, target.examples, budget=target.budget, bf16=target.bf16
        )
        return {
            **observed, "attacked": digest_of(target.examples), "retain": digest_of(self.sets.retain),
            "seed": target.seed, "max_new_tokens": target.room, "code": code_digest(),
        }  # fmt: skip


def chosen(text: str) -> tuple[AttackEntry, dict[str, Any]]:
    """An attack and its checked options from NAME:key=value. Raises UnknownNameError or ConfigError."""
    name, options = parse_name(text)
    entry = attacks.get(name)
    return entry, options_among(f"attack {name!r}", entry.options, options)


def digest_of_model(model: Model) -> str:
    """Of its weights, and of what stands beside them."""
    return identity_of(model)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Of all that attacks consist of: findings of an earlier version of it are not those of this one."""
    files = [each for each in _python_files(resources.files("expunge")) if each[0].split("/")[0] not in _NOT_OF_RESULTS]
    return hashlib.sha256(b"".join(content for _, content in sorted(files))).hexdigest()[:16]


def _python_files(folder: Any, place: str = "") -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _python_files(each, f"{place}{each.name}/")
        elif each.name.endswith(".py"):
            yield f"{place}{each.name}", each.read_bytes()


def _finding(stored: Mapping[str, Any]) -> Finding:
    rows = stored["rows"]
    return Finding(
        scores=tuple(stored["scores"]), part=stored["part"], rows=None if rows is None else tuple(rows),
        note=stored["note"], curve=tuple((x, y) for x, y in stored["curve"]),
    )  # fmt: skip
