"""Settings of `expunge study clue` (arXiv:2509.20977)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from expunge.config.base import Config, NonNegative, Positive, Share
from expunge.config.training import FinetuneConfig

Granularity = Literal["matrices", "heads", "neurons"]
Part = Annotated[float, Field(gt=0, le=1)]


class ClueStudyConfig(Config):
    """What `expunge study clue` runs: CLUE (arXiv:2509.20977) against the controls that the paper lacks."""

    suite: str = "world:people"
    base: str | None = None  # the model that unlearns; None: the suite's own, one a seed
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("idk", "npo", "gradient_ascent")
    localizers: tuple[str, ...] = ("wagle", "memflex", "saliency")  # by gradients, of as many weights
    arms: tuple[str, ...] = ()  # that are run beside CLUE, by their names in the report; (): all
    others: tuple[str, ...] = ("random nodes", "all weights")  # with the objectives after the first; (): as with it
    # nodes of the released code, and of the text; all objectives are run with the first, one with the others
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] = ("heads", "matrices")
    surveyed: tuple[Granularity, ...] = ("matrices", "heads", "neurons")  # of which only the classes are looked at
    share: Part = 0.1  # of the edges that a circuit has: the released code's
    pairs: PositiveInt = 32  # contrasts of each set
    points: PositiveInt = 5  # of attribution, on each half of the path
    patched_pairs: PositiveInt = 8  # contrasts on which edges are patched exactly
    patched_edges: PositiveInt | None = None  # that are, drawn by the seed; None: all
    faithfulness: Share = 0.8  # that circuits of the survey have, beside those of a given share
    skill: bool = True  # one more retain task, lists that repeat; the world's models are taught it
    teach: FinetuneConfig = FinetuneConfig(learning_rate=2e-3, decay="linear", warmup=0.05, epochs=3, batch_size=32)
    ratios: tuple[Part, ...] = (0.1, 0.25, 0.5, 1.0)  # shares of the forget set that are unlearnt alone; (): none
    seeds: Annotated[int, Field(ge=2)] = 6
    draws: PositiveInt = 3  # of random nodes, averaged within a seed
    first: PositiveInt = 1  # epochs of stage 1
    epochs: Annotated[int, Field(ge=2)] = 6  # of both stages together
    rows: PositiveInt = 64  # of each set, that are measured
    batch_size: PositiveInt = 16
    weight_decay: NonNegative = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3, 3e-3)  # on the pilot seed
    utility_floor: Share = 0.95
    margin: Positive = 0.05  # within which shares of rows are called equivalent
    relearn: FinetuneConfig = FinetuneConfig(learning_rate=3e-4, epochs=5, batch_size=16)  # of half the forget rows
    unrelated: PositiveInt = 100  # steps of fine-tuning on retained rows, after which it is asked again
    full: bool = False  # groups of neurons, too, and every objective with every kind of node
    threads: PositiveInt = 1  # of a job
