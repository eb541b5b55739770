"""Settings of `expunge study uipe` (arXiv:2503.04693)."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from expunge.config.base import Config, NonNegative, Positive
from expunge.config.training import FinetuneConfig


class UipeStudyConfig(Config):
    """What `expunge study uipe` runs: the experiments of arXiv:2503.04693."""

    suite: str = "world:people"
    base: str | None = None  # the model that unlearns; None: the suite's own, one a seed
    sizes: Annotated[tuple[Literal["tiny", "1M", "3M", "8M"], ...], Field(min_length=1)] = ("1M", "3M")  # of the world
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "gradient_ascent", "grad_diff", "kl_min", "npo", "simnpo",
    )  # fmt: skip
    seeds: Annotated[int, Field(ge=2)] = 6
    first_seed: NonNegativeInt = 0  # a rule that was changed after a run wants seeds that it has not seen
    target: str = "employer"  # the attribute that is unlearnt; in suites without attributes: the forget set
    related: tuple[str, ...] = ("city",)  # attributes that follow from it
    unrelated: tuple[str, ...] = ("hobby", "birthday")
    alphas: Annotated[tuple[NonNegative, ...], Field(min_length=2)] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    selectors: tuple[str, ...] = ("nearest", "matched", "gap", "directed", "nearest:direction=projected")
    fixed: tuple[NonNegative, ...] = (0.5, 1.0)  # α that automatic choice is compared with; among `alphas`
    draws: PositiveInt = 3  # of random directions
    steps: PositiveInt = 40
    evaluations: PositiveInt = 10
    rows: PositiveInt = 64  # of each set but the retained ones, that are measured
    retained: PositiveInt = 64  # of the test half of the retained ones, that are held against wrong answers
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    batch_size: PositiveInt = 16
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3)  # tried on the pilot seed
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    motivating: bool = True  # the experiment with and without the related set
    teach: FinetuneConfig = FinetuneConfig(learning_rate=1e-3, epochs=20, batch_size=32)  # of that experiment
    replay: NonNegative = 4.0  # retained texts for each text about the target, while it is taught
    full: bool = False  # 8M, too
    threads: PositiveInt = 1  # of a job
