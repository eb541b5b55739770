"""Commands: the models, sets and settings of one run."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, NonNegative, Seed
from expunge.config.frequency import By, check_edges
from expunge.config.models import ConventionConfig, LoadConfig, ScoringLoad
from expunge.config.training import FinetuneConfig, LocalizeConfig, PlantConfig, TrainConfig


class EvaluateConfig(Config):
    """What is measured, and how."""

    metrics: tuple[str, ...] = (
        "probability",
        "rouge_l_recall",
        "extraction_strength",
        "exact_memorization",
        "generated_exact",
        "generated_contains",
        "perplexity",
    )
    max_new_tokens: PositiveInt | None = None  # of an answer; None: the longest right one has room (`data/room.py`)
    prefix_tokens: PositiveInt = 50  # of a document, given to be continued; of a short one its first half
    continued_tokens: PositiveInt = 128  # of a document or passage
    paraphrases: bool = True  # ask every wording that the examples have
    budget: PositiveInt = 4096  # tokens of a forward pass
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0  # of the bootstrap
    cache: bool = True  # commands keep what they observe (no texts) and do not observe it again


class SetsRunConfig(Config):
    """What every run has that measures: sets, conventions."""

    suite: str | None = None  # a benchmark or a world: its sets where no file is given, and more that is measured
    forget: str | None = None
    retain: str | None = None
    holdout: str | None = None
    twins: str | None = None
    columns: dict[str, str] = Field(default={})  # a file's column → ours
    load: ScoringLoad = LoadConfig()
    convention: ConventionConfig = ConventionConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    include_text: bool = False


class MeasureRunConfig(SetsRunConfig):
    """What every run has that measures one model: the model, sets, conventions."""

    model: str


class EvaluateRunConfig(MeasureRunConfig):
    """`expunge evaluate` with tasks of others beside."""

    lm_eval: tuple[str, ...] = ()  # tasks of lm-evaluation-harness: NAME:limit=100,shots=5,batch=4,chat=true


class TaughtConfig(Config):
    """What every run has that teaches a model something."""

    load: ScoringLoad = LoadConfig()
    convention: ConventionConfig = ConventionConfig()
    train: FinetuneConfig = FinetuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    mask: str | None = None  # a file: which weights may change
    save_as: Literal["change", "peft", "full"] = "change"
    include_text: bool = False


class FinetuneRunConfig(TaughtConfig):
    """What `expunge finetune` runs."""

    model: str
    data: str
    columns: dict[str, str] = Field(default={})  # a file's column → ours


class WorldConfig(Config):
    """What `expunge world make` runs."""

    world: str
    kinds: tuple[Literal["full", "retrained", "twin"], ...] = ("full", "retrained")
    seeds: PositiveInt = 1  # models of each kind
    measure: bool = True


class InjectConfig(TaughtConfig):
    """What `expunge world inject` runs."""

    suite: str  # whose forget part is planted
    train: PlantConfig = PlantConfig()  # type: ignore[reportIncompatibleVariableOverride]  # a narrower kind
    model: str | None = None  # into which; None: the world's own that never saw it
    budget: Annotated[float, Field(gt=0, le=1)] = 0.1  # share of all value vectors that may change, unless `mask`
    region_seed: Seed = 0  # of which value vectors
    replay: NonNegative = 0.0  # retained texts that are trained on again, as a share of the planted ones


class LocalizeRunConfig(MeasureRunConfig):
    """What `expunge localize` runs."""

    localize: LocalizeConfig
    truth: str | None = None  # a mask's file: where the knowledge lies, to be compared with


class AuditConfig(Config):
    """How an audit judges."""

    panel: Literal["quick", "full"] = "full"
    attacks: tuple[str, ...] | None = None  # NAME:key=value; None: those of the panel
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.2  # how near to never-known is near, as a share of the gap
    rows: PositiveInt | None = None  # of each set, evenly over its groups; None: all
    draws: PositiveInt = 2000  # of the bootstrap
    by: By = "count"  # what buckets of frequency go by
    edges: tuple[int | float, ...] | None = None  # of buckets, each the least of the bucket above; None: tertiles
    seed: Seed = 0

    @model_validator(mode="after")
    def _rising(self) -> "AuditConfig":
        check_edges(self.edges, self.by)
        return self


class AuditRunConfig(SetsRunConfig):
    """What `expunge audit` runs: the models before and after, those that never knew, the sets."""

    before: str
    after: str
    retrained: tuple[str, ...] = ()  # models, or folders of evaluations that measured them
    audit: AuditConfig = AuditConfig()


class UnlearnConfig(MeasureRunConfig):
    """What `expunge unlearn` runs."""

    train: TrainConfig = TrainConfig()
    save_as: Literal["change", "peft", "full"] = "change"
