"""The bench: suites, methods, ranges that are searched."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, Range, Seed
from expunge.config.models import ConventionConfig, LoadConfig, ScoringLoad
from expunge.config.reading import differing, parse_name
from expunge.config.runs import AuditConfig, EvaluateConfig
from expunge.config.training import TrainConfig


class SearchConfig(Config):
    """How a bench tunes: so many settings a method, from ranges that all methods share."""

    trials: PositiveInt = 3  # settings a method
    seed: Seed = 1000  # of the tuning runs; final runs have seeds from 0 on
    learning_rate: Range = (1e-5, 1e-3)
    retain_weight: Range = (0.3, 10.0)


class ModelsConfig(Config):
    """The models of a suite."""

    before: str  # what unlearns
    retrained: tuple[str, ...] = ()  # what never knew


class BenchConfig(Config):
    """What `expunge bench` runs: suites × methods × masks × extrapolations, each tuned and then run with every seed."""

    suites: Annotated[tuple[str, ...], Field(min_length=1)]
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)  # objectives and editors, NAME:key=value
    masks: Annotated[tuple[str, ...], Field(min_length=1)] = ("none",)  # localizers, NAME:key=value; of objectives only
    extrapolations: Annotated[tuple[str, ...], Field(min_length=1)] = ("none",)  # auto, a number, or a selector
    seeds: PositiveInt = 3  # final runs
    search: SearchConfig = SearchConfig()
    models: dict[str, ModelsConfig] = Field(default={})  # suite → its models, where they are not the suite's own
    train: TrainConfig = TrainConfig()  # what every method shares; editors train nothing
    load: ScoringLoad = LoadConfig()
    convention: ConventionConfig = ConventionConfig()  # where it differs from the suite's own
    audit: AuditConfig = AuditConfig(panel="quick")  # of every final run
    evaluate: EvaluateConfig = EvaluateConfig()  # of audits, likewise
    full_panel: Annotated[str, Field(pattern=r"^(none|all|best [1-9]\d*)$")] = "none"  # who is audited in full, too
    threads: PositiveInt = 1  # of a cell: results may differ with it, and not with the number of processes

    @model_validator(mode="after")
    def _searched(self) -> "BenchConfig":
        own = ("method", "options", "seed", "learning_rate", "retain_weight", "localize", "extrapolate")
        if wrong := [name for name in own if name in {key.partition(".")[0] for key in differing(self.train)}]:
            raise ValueError(
                f"`train.{wrong[0]}` is each run's own: methods stand in `methods`, ranges and the seed in `search`"
            )
        if seeded := [text for text in self.masks if "seed" in parse_name(text)[1]]:
            raise ValueError(f"`masks`: {seeded[0]!r} has a seed, and its draws have each run's own: leave it out")
        if 0 <= self.search.seed < self.seeds:
            raise ValueError(f"`search.seed` {self.search.seed} is a final run's: tuning needs a seed of its own")
        return self
