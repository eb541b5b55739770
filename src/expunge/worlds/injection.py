"""Injection: facts planted in a chosen region of the weights only, so that where they are stored is known.

After Lee et al. 2025, arXiv:2505.16252, the controlled experiment: θ_r is a model that never saw the facts, V_tgt a
uniform draw of a share of all value vectors (columns of every block's down projection; rows of GPT-2's), and θ_o is
θ_r trained on the facts with V_tgt alone trainable. Then θ_o - θ_r is supported on V_tgt exactly, and copying θ_r's
V_tgt back into θ_o gives θ_r.

Deviations: what the authors train with is not published; here it is `train/finetune.py`, any mask may stand for
V_tgt, and a share of retained examples may be replayed, since training on the facts alone damages the rest (retained
answers of `world:people` fall from 100 to 43 %; with four replayed texts for each planted one, to 98 %).
"""

from collections.abc import Sequence

import torch

from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.localize.choosing import share_of
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.models.model import Model


def random_region(
    model: Model, share: float, seed: int, *, outside: Mask | None = None, granularity: str = "value_vectors"
) -> Mask:
    """⌊share · all⌋ units, drawn uniformly over all layers at once, none with a weight in `outside`.

    Raises ConfigError when the share leaves none to draw, or more than there are outside.
    """
    units = units_of(model, granularity)
    free = torch.ones(units.count, dtype=torch.bool) if outside is None else ~units.touched(outside)
    size, places = share_of(share, units.count), free.nonzero().flatten()
    if not 0 < size <= len(places):
        raise ConfigError(f"a budget of {share:g} is {size} of {units.count} units, and {len(places)} can be drawn")
    drawn = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))[:size]
    return units.mask(torch.zeros(units.count, dtype=torch.bool).index_fill_(0, places[drawn], True))


def replayed(facts: Sequence[Example], retain: Sequence[Example], share: float, seed: int) -> list[Example]:
    """The facts and, for each of them, `share` retained examples on average, drawn without replacement."""
    size = round(share * len(facts))
    if size > len(retain):
        raise ConfigError(f"to replay {size} retained examples there must be as many; there are {len(retain)}")
    order = torch.randperm(len(retain), generator=torch.Generator().manual_seed(seed))[:size]
    return [*facts, *(retain[i] for i in sorted(order.tolist()))]
