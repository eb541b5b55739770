"""What a training gives back: the change, the points on the way, and a model with the bits that it had."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from peft import PeftModel
from torch import nn

from expunge.change import Change, WeightChange
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.train.checkpoint import Checkpoints
from expunge.train.curriculum import Reached
from expunge.train.leaving import Turn
from expunge.train.levels import NeverKnown
from expunge.train.selection import Point

C = TypeVar("C", bound=Change)  # training changes weights; an editor may hang something beside them


@dataclass(frozen=True)
class Trained(Generic[C]):
    """What a run gives back."""

    change: C
    points: tuple[Point, ...]
    kept: Point
    why: str  # the kept point was kept
    floor_held: bool
    never_known: NeverKnown | None
    steps: int  # that were made: fewer than planned after an early stop
    notes: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()  # when examples left the batch and came back
    phases: tuple[Reached, ...] = ()  # of a curriculum whose buckets are extrapolated apart


def change_of(
    model: Model,
    wrapped: PeftModel | None,
    checkpoints: Checkpoints,
    mask: Mask | None,
) -> WeightChange:
    """What training made of the weights that the checkpoints started with."""
    if wrapped is not None:
        return WeightChange.from_peft(wrapped)
    result = dict(model.network.named_parameters())
    base = {**result, **checkpoints.load_start()}
    # the model is put back to the base afterwards, so it is where arithmetic finds the base's weights
    return replace(WeightChange.between(base, result, mask=mask), origin=model.network)


@torch.no_grad()
def restore(parameters: Mapping[str, nn.Parameter], checkpoints: Checkpoints) -> None:
    """Put the weights back that training started with, bit for bit."""
    for name, value in checkpoints.load_start().items():
        parameters[name].copy_(value)
