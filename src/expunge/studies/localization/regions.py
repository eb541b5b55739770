"""Regions: the mask of each name for one target and seed."""

from typing import Any

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.localize.choosing import highest
from expunge.localize.localizing import localize
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.studies.localization.arms import ALL, LARGEST, ORACLE, Target
from expunge.suites import Suite

ROWS = 200  # examples of each set that a localizer looks at, at most


def mask_of(
    name: str, model: Model, target: Target, suite: Suite, encoder: Encoder, seed: int, known: Mask | None
) -> Mask | None:
    """None for all weights. `known` is where the forget set is: V_tgt, or the largest changes of an injection.

    Random is disjoint from `known`, where there is one (the paper's controlled experiment), and as large.
    """
    if name == ALL:
        return None
    if name in (ORACLE, LARGEST):
        assert known is not None
        return known
    settings: dict[str, Any] = {
        "budget": target.budget, "granularity": target.granularity, "seed": seed, "localizer": name, "examples": ROWS,
    }  # fmt: skip
    options: dict[str, Any] | None = None
    if name.startswith("random"):
        number = int(name.removeprefix("random") or 0)
        settings |= {"localizer": "random", "seed": 1000 * (number + 1) + seed}
        options = {} if known is None else {"outside": known}
    config = LocalizeConfig.model_validate(settings)
    return localize(model, suite.sets.forget, suite.sets.retain, config, encoder, options=options).mask


def largest_changes(model: Model, never: Model, target: Target) -> Mask:
    """The units in which θ_o is farthest from θ_r, as many as the budget allows."""
    units = units_of(model, target.granularity)
    one, two = parameters_of(model), parameters_of(never)
    scores = units.sums(lambda name: (one[name].detach().float() - two[name].detach().float()).square())
    return units.mask(highest(scores, units.sizes(), target.budget))
