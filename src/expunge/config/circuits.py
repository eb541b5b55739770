"""Circuits: how they are searched for, and how CLUE unlearns by them."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from expunge.config.base import Config, NonNegative, Seed, Share
from expunge.config.runs import MeasureRunConfig


class CircuitsConfig(Config):
    """What is searched for, by which engine, how large a circuit may be."""

    granularity: Literal["matrices", "heads", "neurons"] = "matrices"
    groups: PositiveInt = 8  # of neurons of an MLP, at granularity "neurons"
    pairs: PositiveInt = 32  # contrasts of each set
    swap: Literal["auto", "subject", "answer"] = "auto"  # what tells the two prompts of a contrast apart
    engine: Literal["attribution", "pruning"] = "attribution"
    points: PositiveInt = 5  # of attribution, on each half of the path
    confirm: Annotated[int, Field(ge=0)] = 8  # at most so many edges near the threshold are patched exactly
    steps: PositiveInt = 300  # of pruning
    sparsity: Share = 0.9  # share of the edges that pruning aims to leave out
    faithfulness: Share = 0.8  # of the effect, that a circuit has to recover
    size: Annotated[float, Field(gt=0, le=1)] | None = None  # share of all edges, in place of the faithfulness
    halvings: Annotated[int, Field(ge=0)] = 2  # of the step in which the faithfulness was reached
    lone: bool | None = None  # the only input that both directions found is one of the others'; None: by pruning only
    single: bool = True  # a gate of one input is none: it counts among the ADDERs
    reading: Literal["together", "equal"] = "together"  # how several kinds of inputs of a node act
    seed: Seed = 0


class ClueConfig(CircuitsConfig):
    """The options of the procedure `clue`."""

    loss: str = "idk"  # the forget loss of both stages, NAME:key=value
    first: PositiveInt = 1  # epochs of the first stage; the rest are the second's
    weights: tuple[NonNegative, ...] = ()  # of the retain loss, to choose from, as 0.3/1/3; (): `retain_weight`
    recompute: bool = False  # circuits once more between the stages

    @field_validator("weights", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            return (value,)
        return tuple(value.split("/")) if isinstance(value, str) else value


class CircuitsRunConfig(MeasureRunConfig):
    """What `expunge circuits` runs. `retain` may name several sets, comma-separated: a circuit each."""

    circuits: CircuitsConfig = CircuitsConfig()
    explain: tuple[str, ...] = ()  # nodes whose class is to be explained; (): the first few conflicts
