"""Settings of `expunge study frequency` (arXiv:2504.05058)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, Positive
from expunge.config.frequency import By, check_edges


class FrequencyStudyConfig(Config):
    """What `expunge study frequency` runs: the experiments of arXiv:2504.05058, and unlearning by frequency."""

    suite: str = "world:people:frequency=true,hidden_qa=true"
    base: str | None = None  # the model that unlearns; None: the suite's own, one a seed
    sizes: Annotated[tuple[Literal["tiny", "1M", "3M", "8M"], ...], Field(min_length=1)] = ("1M", "3M", "8M")
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("grad_diff", "simnpo", "idk", "npo")
    seeds: Annotated[int, Field(ge=2)] = 7  # of the first size
    further_seeds: Annotated[int, Field(ge=2)] = 3  # of every other size, unless `full`
    selecting: Annotated[int, Field(ge=0)] = 2  # of the first size's seeds choose the form; the others run and test it
    forms: tuple[str, ...] = (
        "strength", "strength 2", "margin", "leave", "leave, strength", "rare first", "frequent first", "mixed",
        "rare first, alpha a bucket",
    )  # fmt: skip
    alone: bool = True  # the rarest and the most frequent bucket unlearnt by themselves, as in the paper; first size
    by: By = "count"
    edges: tuple[int | float, ...] | None = (3, 9, 27)  # of buckets; None: tertiles
    target: str = "employer"  # the attribute that is unlearnt; in suites without attributes: the forget set
    neighbours: tuple[str, ...] = ("hobby", "birthday")  # attributes of the same persons that should stay
    steps: PositiveInt = 60
    evaluations: PositiveInt = 30
    rows: PositiveInt = 64  # at most, of the retained rows that choose and of those that test
    retain: PositiveInt | None = None  # retained examples, of which half are rehearsed; None: all
    batch_size: PositiveInt = 16
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3e-5, 1e-4, 3e-4)  # tried on the pilot seed
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    forget_weight: Positive = 0.5  # beside 1 of the retain loss, as in the paper
    neighbour_floor: Annotated[float, Field(gt=0, le=1)] = 0.9  # of the second comparison: what neighbours keep
    margin: Positive = 0.05  # within which two shares or rates are called equivalent
    ratio: Annotated[float, Field(gt=1)] = 1.1  # up to which numbers of steps are called equivalent
    full: bool = False  # all forms and single buckets on every seed of every size, and as many seeds as of the first
    threads: PositiveInt = 1  # of a job

    @model_validator(mode="after")
    def _seeds_are_left(self) -> "FrequencyStudyConfig":
        check_edges(self.edges, self.by)
        if self.forms and self.selecting < 1:
            raise ValueError(
                "`selecting`: at least one seed must choose among the forms; without `forms` none need be run"
            )
        if self.forms and self.seeds - self.selecting < 2:
            raise ValueError(
                f"of {self.seeds} seeds {self.selecting} choose a form, and fewer than 2 are left to test it"
            )
        return self
