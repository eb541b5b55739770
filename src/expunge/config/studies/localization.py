"""Settings of `expunge study localization` (arXiv:2505.16252)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from expunge.config.base import Config, NonNegative, Positive
from expunge.config.training import FinetuneConfig, PlantConfig


class LocalizationStudyConfig(Config):
    """What `expunge study localization` runs: the experiment of arXiv:2505.16252."""

    suite: str = "world:people"
    base: str | None = None  # a model to be taught the retain set first; None: the suite's own
    retain: PositiveInt | None = None  # retained examples that `base` is taught and that unlearning draws; None: all
    parts: Annotated[tuple[Literal["A", "B"], ...], Field(min_length=1)] = ("A", "B")
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("wga", "npo")
    localizers: tuple[str, ...] = ("activations", "memflex", "wagle")
    whole: bool = True  # also with all weights: in part A, and in B where there is no A
    seeds: Annotated[int, Field(ge=2)] = 6
    draws: PositiveInt = 3  # of Random, averaged within a seed
    budget: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    granularity: Literal["value_vectors", "heads", "rows", "matrices"] = "value_vectors"
    plant: PlantConfig = PlantConfig()
    replay: NonNegative = 4.0  # retained texts that are trained on again while planting, for each planted one
    teach: FinetuneConfig = FinetuneConfig(epochs=5)  # of `base`
    steps: PositiveInt = 100
    evaluations: PositiveInt = 10
    rows: PositiveInt = 64  # of forget and of retain set each, that are measured
    batch_size: PositiveInt = 16
    weight_decay: NonNegative = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3e-3, 1e-2, 3e-2)  # tried on the pilot seed
    whole_rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3e-4, 1e-3, 3e-3)  # of all weights
    utility: bool = True  # MU at every point, FQ where it is 95 % of the start's or more
    margin: Positive = 0.05  # AUES within which two regions are called equivalent
    quality_margin: Positive = 1.0  # the same of log10 p
    full: bool = False  # with everything that takes hours
    threads: PositiveInt = 1  # of a job
