"""Relatedness: which gradients are compared, and how exactly."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from expunge.config.base import Config, Seed
from expunge.config.runs import MeasureRunConfig


class RelateConfig(Config):
    """Which gradients are compared, and how exactly."""

    by: Literal["example", "group"] = "example"  # what a row is
    examples: PositiveInt | None = 100  # of each set, evenly over its groups; None: all
    parameters: tuple[str, ...] = ()  # names or patterns of what gradients are taken of; (): all
    projection: Annotated[int, Field(ge=0)] | None = None  # numbers a gradient; 0: exact; None: exact where all fit
    usual_projection: PositiveInt = 16_384  # where they do not
    memory: PositiveInt = 1024  # MiB of gradients that are held
    precision: Literal["float32", "bfloat16"] = "float32"  # of the arithmetic
    seed: Seed = 0  # of draws of examples, of projections and of the bootstrap


class RelateRunConfig(MeasureRunConfig):
    """What `expunge relate` runs."""

    relate: RelateConfig = RelateConfig()
    after: str | None = None  # the model after unlearning: what went with the forget set?
