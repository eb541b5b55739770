"""Regions: the mask of each name for one target and seed."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.localize.choosing import highest
from expunge.localize.localizing import localize
from expunge.localize.units import Units, units_of
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.studies.localization.arms import ALL, LARGEST, ORACLE, Target
from expunge.suites import Suite

ROWS = 200  # examples of each set that a localizer looks at, at most
DRAWS = 1000  # tried, until one is as large as what it is compared with


def mask_of(
    name: str, model: Model, target: Target, suite: Suite, encoder: Encoder, seed: int, known: Mask | None
) -> Mask:
    """`known` is where the forget set is: V_tgt, or the largest changes of an injection.

    Random is disjoint from `known`, where there is one (the paper's controlled experiment), and as large: in weights,
    too, where units are of several sizes.
    """
    if name == ALL:  # said outright: without a mask some methods train a few tensors only
        return Mask.everything(model.network)
    if name in (ORACLE, LARGEST):
        assert known is not None
        return known
    settings: dict[str, Any] = {
        "budget": target.budget, "granularity": target.granularity, "seed": seed, "localizer": name, "examples": ROWS,
    }  # fmt: skip
    if name.startswith("random"):
        number = int(name.removeprefix("random") or 0)
        settings |= {"localizer": "random", "seed": 1000 * (number + 1) + seed}
        if known is not None:
            return _beside(known, model, LocalizeConfig.model_validate(settings), encoder)
    config = LocalizeConfig.model_validate(settings)
    return localize(model, suite.sets.forget, suite.sets.retain, config, encoder).mask


def _beside(known: Mask, model: Model, config: LocalizeConfig, encoder: Encoder) -> Mask:
    """A uniform draw outside of `known` with as many units of each size, and as many weights.

    What heads share belongs to a mask only where all of them do, so two draws of as many heads can be unequal.
    """
    for attempt in range(DRAWS):
        drawn = config.model_copy(update={"seed": config.seed + 1_000_000 * attempt})
        found = localize(model, (), (), drawn, encoder, options={"outside": known})
        mask = _sizes_of(known, found.units, found.scores)
        if mask.weights() == known.weights():
            return mask
    raise ConfigError(
        f"in {DRAWS} draws there was no region of {config.granularity} outside of the known one that is as large "
        f"({known.weights()} weights): lower the budget"
    )


def _sizes_of(known: Mask, units: Units, scores: Float[Tensor, " units"]) -> Mask:
    """The units with the highest scores among those of each size, as many as `known` has of it."""
    sizes, inside = units.sizes(), units.inside(known)
    chosen = torch.zeros(units.count, dtype=torch.bool)
    for size in sizes.unique():
        wanted, free = int((inside & (sizes == size)).sum()), (sizes == size) & (scores > -torch.inf)
        if wanted > int(free.sum()):
            raise ConfigError(f"outside of the known region there are too few {units.granularity}: lower the budget")
        chosen[scores.masked_fill(~free, -torch.inf).argsort(descending=True)[:wanted]] = True
    return units.mask(chosen)


def largest_changes(model: Model, never: Model, target: Target) -> Mask:
    """The units in which θ_o is farthest from θ_r, as many as the budget allows."""
    units = units_of(model, target.granularity)
    one, two = parameters_of(model), parameters_of(never)
    scores = units.sums(lambda name: (one[name].detach().float() - two[name].detach().float()).square())
    return units.mask(highest(scores, units.sizes(), target.budget))
