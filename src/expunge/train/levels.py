"""Levels: how likely a model finds answers, and how likely one that never knew them would.

The level of an answer is its length-normalized probability exp(mean log p), in [0, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.models.scoring import score


def mean_log_probs(
    model: Model, encoded: Sequence[Encoded], *, budget: int, bf16: bool = False
) -> Float[Tensor, " examples"]:
    """Mean answer log-probability per token of each encoded example, in order."""
    scored = score(model, [[each] for each in encoded], budget=budget, bf16=bf16)
    return torch.tensor([one.log_probs.mean().item() for (one,) in scored])


@dataclass(frozen=True)
class NeverKnown:
    """What a model that never knew the forget set would give its answers."""

    per_example: Float[Tensor, " forget"]  # mean log-probability per answer token, where an example may rest
    level: float  # mean probability, as the forget set's own level is one
    logs: Float[Tensor, " controls"]  # of the controls that speak for some forget example, or of the retrained model
    source: str  # "twins", "holdout" or "retrained model"


def never_known(sets: Sets, measure: Callable[[Sequence[Example]], Tensor]) -> NeverKnown | None:
    """The never-known level of each forget example, from twins (else the holdout set) on the starting model.

    `measure` gives the mean log-probabilities of examples on the starting model. A twin whose `group` is a forget
    example's id or group speaks for that example; for the others all controls do. None when there are neither twins
    nor a holdout set.
    """
    source = "twins" if sets.twins else "holdout"
    controls = sets.twins or sets.holdout
    if not controls:
        return None
    values = measure(controls)
    own: dict[str, list[int]] = {}
    for place, control in enumerate(controls):
        if control.group is not None:
            own.setdefault(control.group, []).append(place)
    everyone, logs = list(range(len(controls))), values.tolist()
    speakers = [own.get(example.id) or own.get(example.group or "") or everyone for example in sets.forget]
    levels = [fmean(exp(logs[place]) for place in found) for found in speakers]
    each = torch.tensor([fmean(logs[place] for place in found) for found in speakers])
    return NeverKnown(each, fmean(levels), values[sorted({place for found in speakers for place in found})], source)


def required(level: NeverKnown | None) -> NeverKnown:
    """The level, or the error that says how to give one."""
    if level is None:
        raise ConfigError(
            "stop (never-known, leave) and early_stop need to know what never-known looks like: give `twins` (the same "
            "kind of questions about names that do not exist), `holdout` examples, or a `retrained` model"
        )
    return level
