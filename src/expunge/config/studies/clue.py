"""Settings of `expunge study clue` (arXiv:2509.20977)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from expunge.config.base import Config, NonNegative, Share
from expunge.config.training import FinetuneConfig

Granularity = Literal["matrices", "heads", "neurons"]


class ClueStudyConfig(Config):
    """What `expunge study clue` runs: CLUE (arXiv:2509.20977) against the controls that the paper lacks."""

    suite: str = "world:people"
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("idk", "npo", "gradient_ascent")
    localizers: tuple[str, ...] = ("wagle", "saliency")  # by gradients, of as many single weights
    # nodes of the released code, and of the text
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] = ("heads", "matrices")
    surveyed: tuple[Granularity, ...] = ("matrices", "heads", "neurons")  # of which only the classes are looked at
    share: Annotated[float, Field(gt=0, le=1)] = 0.1  # of the edges that a circuit has: the released code's
    pairs: PositiveInt = 32  # contrasts of each set
    points: PositiveInt = 5  # of attribution, on each half of the path
    patched_pairs: PositiveInt = 8  # contrasts on which every edge is patched exactly
    faithfulness: Share = 0.8  # that circuits of the survey have, beside those of a given share
    seeds: Annotated[int, Field(ge=2)] = 6
    draws: PositiveInt = 3  # of random nodes, averaged within a seed
    first: PositiveInt = 1  # epochs of stage 1
    epochs: Annotated[int, Field(ge=2)] = 6  # of both stages together
    rows: PositiveInt = 64  # of each set, that are measured
    batch_size: PositiveInt = 16
    weight_decay: NonNegative = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3, 3e-3)  # on the pilot seed
    utility_floor: Share = 0.95
    margin: PositiveFloat = 0.05  # within which shares of rows are called equivalent
    relearn: FinetuneConfig = FinetuneConfig(learning_rate=3e-4, epochs=5, batch_size=16)  # of half the forget rows
    full: bool = False  # heads and groups of neurons, too
    threads: PositiveInt = 1  # of a job
