"""The record: the JSON file that says what a run did, with what, and what came out.

    Record
    ├── command, arguments, status, started, seconds, peak_memory, warnings, headline
    ├── configuration (resolved), changed (what differs from the defaults), configuration_hash
    ├── versions, platform, seeds           no host name, no path that the user did not type
    ├── model: ModelInfo                    name as typed, digest of the weights
    ├── given: {name: digest}               sets and files that it read, known from its beginning
    ├── sets: {set: SetInfo}                role, source as typed, digest, rows in the data's order
    ├── max_new_tokens                      that generated answers could have
    ├── before: {set: {metric: Measured}}   the starting model; all there is for `evaluate`
    ├── between: {metric: Measured}         the same model, forget against holdout set: AUCs of membership
    ├── methods: {method: Outcome}          one for `unlearn`, several side by side for a comparison
    │   ├── after, between, generations, trajectory, selection, mask, extrapolation, change, seconds, peak_memory
    │   └── buckets, by_bucket, leaving     unlearning by frequency (`record_frequency.py`)
    ├── generations: {set: [text]}          of the starting model
    ├── audit: Audit                        of `audit` only (`record_audit.py`)
    ├── mask: MaskInfo                      of `localize` only
    ├── circuits: Circuits                  of `circuits` only (`record_circuits.py`)
    ├── related: Related                    of `relate` only (`record_related.py`)
    ├── counting: Counting                  of `count` only (`record_count.py`)
    ├── holds                               of commands that write a model's folder: what else they wrote to it
    └── glossary: {metric: Reading}         from `evaluate.glossary`

A set's name is free ("forget", "forget, paraphrase 1", "other capitals"); its role says how to read it. Row i
of a set, value i of `per_example` and text i of `generations` belong to the same example. Texts stand in a
record only if `include_text` is set. Numbers that JSON has no word for (NaN, ∞) are written as null, with a
warning that says where.
"""

import json
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from expunge.provenance import now
from expunge.record_audit import Audit
from expunge.record_circuits import Circuits
from expunge.record_count import Counting
from expunge.record_frequency import LeavingInfo, TrainedBucket
from expunge.record_related import Related

SCHEMA = 1
Number = float | None  # None: not finite; `warnings` says where and what


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Measured(_Part):
    """`evaluate.metric.Metric` as JSON."""

    value: Number
    better: Literal["higher", "lower", "reference"]
    n: int
    interval: tuple[Number, Number] | None = None
    level: float = 0.95
    unit: str = ""
    note: str = ""
    per_example: tuple[Number, ...] = ()


class Reading(_Part):
    """How to read a metric."""

    title: str
    better: Literal["higher", "lower", "reference"]
    reads: str


class Row(_Part):
    """One example of a set: the id always, the rest (a group may be a person) only with `include_text`."""

    id: str
    group: str | None = None
    prompt: str | None = None
    answer: str | None = None


class SetInfo(_Part):
    """What was measured on, and how to read it."""

    role: Literal["forget", "retain", "test", "holdout", "twins", "train"]  # test: must stay, was never trained on
    n: int
    title: str = ""  # for people; "": the set's name
    source: str = ""  # as typed
    digest: str = ""  # SHA-256 of the file, or of the examples where there is no file
    note: str = ""
    rows: tuple[Row, ...] = ()


class ModelInfo(_Part):
    """The starting model."""

    name: str  # as typed
    digest: str = ""  # of the weights
    files: str = ""  # digest of its files' names, sizes and times, where it lies in files here
    architecture: str = ""
    parameters: int | None = None
    dtype: str = ""


class Point(_Part):
    """One evaluation during training, as `train.selection.Point.as_json()` gives it; the first is the
    start."""

    step: int
    seconds: float = 0.0
    forget: Number = None  # the forget level
    utility: Number = None  # the same measure on the selection half of the retain set
    loss: Number = None  # of the forget set; losses are means since the last point
    retain_loss: Number = None
    resting: Number = None  # share of the forget examples that had reached their never-known level
    margin: Number = None  # by which the utility must lie above the floor for another half to hold it, too
    values: dict[str, Number] = {}  # anything else that was watched


class Selection(_Part):
    """Which point of the trajectory was kept, and by which rule."""

    step: int
    why: str
    measure: str = "probability"  # what `forget` and `utility` are
    never_known: Number = None  # the forget level of a model that never knew
    never_known_from: str = ""  # "retrained models", "twins" or "holdout"
    utility_floor: Number = None  # as a share of the start's utility


class MaskInfo(_Part):
    """Which weights could change, and how they were chosen."""

    file: str | None = None  # relative to the record
    localizer: str = ""
    granularity: str = ""
    chosen: int  # units
    units: int
    weights: int
    total_weights: int
    where: dict[str, Any] = {}  # `record_mask.Where` as JSON
    recall: Number = None  # share of the true region's weights that are in the mask
    precision: Number = None  # share of the mask's weights that are in the true region
    chance: Number = None  # recall of a uniform draw of the mask's size among the candidates
    notes: tuple[str, ...] = ()


class ChangeInfo(_Part):
    """What was done to the weights."""

    kind: str  # "dense", "indexed", "low-rank", "attachment"
    file: str | None = None  # relative to the record
    base_digest: str = ""
    result_digest: str = ""
    touched_weights: int | None = None
    total_weights: int | None = None
    norms: dict[str, tuple[Number, Number]] = {}  # tensor → norm of its change, the same over the tensor's norm
    note: str = ""


class AlphaPoint(_Part):
    """The model at one α of an extrapolation; α = -1 is the model before the change."""

    alpha: float
    forget: Number = None  # the forget level
    log: Number = None  # the forget set's mean log-probability per answer token
    utility: Number = None  # the level of the selection half of the retain set
    related: Number = None  # mean NLL of what should go as well, and of what should not
    unrelated: Number = None


class ExtrapolationInfo(_Part):
    """How far beyond the change the weights were taken, and why."""

    alpha: float
    selector: str = ""  # "": α was given
    direction: str = "whole"
    bucket: str = ""  # of a curriculum, whose own change this extrapolates; "": the whole
    why: str = ""
    step: int | None = None  # of the checkpoint from which it goes on
    start: AlphaPoint
    curve: tuple[AlphaPoint, ...] = ()
    never_known: Number = None  # the forget level of a model that never knew
    never_known_from: str = ""
    utility_floor: Number = None  # as a share of the start's utility
    holds: bool = True  # the floor, on the half that chooses
    overshoots: bool = False  # farther beyond never-known than is near
    tested: Number = None  # share of the utility that is kept on the half that chose nothing
    doubt: str = ""  # what keeps the choice from saying how far another half may differ


class Outcome(_Part):
    """One method's result."""

    after: dict[str, dict[str, Measured]] = {}
    between: dict[str, Measured] = {}  # as in Record
    generations: dict[str, tuple[str, ...]] = {}
    trajectory: tuple[Point, ...] = ()
    selection: Selection | None = None
    mask: MaskInfo | None = None
    extrapolation: ExtrapolationInfo | None = None
    buckets: tuple[TrainedBucket, ...] = ()  # of a curriculum
    by_bucket: tuple[ExtrapolationInfo, ...] = ()  # of those buckets that were extrapolated apart
    leaving: LeavingInfo | None = None
    change: ChangeInfo | None = None
    configuration: dict[str, Any] = {}  # what is this method's own
    seconds: dict[str, float] = {}
    peak_memory: int | None = None  # bytes
    headline: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Record(_Part):
    """See the module. Make one with `Record(command=…)`, go on with `updated`; `record_file.py` saves and
    loads."""

    format: Literal["expunge-record"] = "expunge-record"
    schema_version: Literal[1] = SCHEMA
    command: str
    arguments: tuple[str, ...] = ()  # as typed
    status: Literal["running", "done", "failed", "interrupted"] = "running"
    started: str = Field(default_factory=now)  # UTC
    configuration: dict[str, Any] = {}
    changed: dict[str, Any] = {}  # dotted name → value, where it differs from the default
    configuration_hash: str = ""
    versions: dict[str, str] = {}
    platform: dict[str, str | int] = {}
    seeds: dict[str, int] = {}
    model: ModelInfo | None = None
    given: dict[str, str] = {}  # what --resume compares (`runs/given.py`)
    sets: dict[str, SetInfo] = {}
    max_new_tokens: int | None = None  # that generated answers could have, whether the settings gave it or the sets
    before: dict[str, dict[str, Measured]] = {}
    between: dict[str, Measured] = {}  # forget against holdout set, told from both together; `per_example`: of forget
    generations: dict[str, tuple[str, ...]] = {}
    methods: dict[str, Outcome] = {}
    audit: Audit | None = None
    mask: MaskInfo | None = None
    circuits: Circuits | None = None
    related: Related | None = None
    counting: Counting | None = None
    holds: tuple[str, ...] = ()  # names in its folder beside those that every run's has
    glossary: dict[str, Reading] = {}
    seconds: dict[str, float] = {}  # phase → duration
    peak_memory: int | None = None  # bytes
    headline: tuple[str, ...] = ()  # plain words: forgotten, kept, cost
    warnings: tuple[str, ...] = ()
    include_text: bool = False

    @model_validator(mode="before")
    @classmethod
    def _hash(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("configuration") and not values.get("configuration_hash"):
            return {**values, "configuration_hash": configuration_hash(values["configuration"])}
        return values

    @model_validator(mode="after")
    def _sets_are_declared(self) -> "Record":
        named = {*self.before, *self.generations}
        named |= {name for o in self.methods.values() for name in (*o.after, *o.generations)}
        if unknown := sorted(named - set(self.sets)):
            raise ValueError(f"results of {unknown[0]!r}, which is not in `sets`; there are {sorted(self.sets)}")
        return self

    @model_validator(mode="after")
    def _texts_only_if_asked(self) -> "Record":
        if self.include_text:
            return self
        texts = [r for info in self.sets.values() for r in info.rows if r.prompt or r.answer or r.group]
        named = self.related is not None and any(row.name for row in self.related.rows)
        if texts or named or self.generations or any(outcome.generations for outcome in self.methods.values()):
            raise ValueError("texts of the sets stand in a record only with `include_text`")
        return self

    def updated(self, **changes: Any) -> "Record":
        """A copy with other values, checked."""
        return type(self).model_validate({**dict(self), **changes})


def configuration_hash(configuration: dict[str, Any]) -> str:
    """SHA-256 of the configuration as canonical JSON: the order of keys and tuple or list do not matter."""
    return sha256(json.dumps(configuration, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
