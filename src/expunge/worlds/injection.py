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
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.parameters import parameters_of


def value_vectors(model: Model) -> dict[str, int]:
    """Every parameter whose units are value vectors, in the order of the layers, and the axis of the units."""
    layout = model.layout
    axes = [layout.value_vectors(layer) for layer in range(layout.depth)]
    return {axis.parameter: axis.axis for axis in axes}


def random_region(model: Model, share: float, seed: int, *, outside: Mask | None = None) -> Mask:
    """⌊share · all⌋ value vectors, drawn uniformly over all layers at once, none of them in `outside`.

    Raises ConfigError when the share leaves none to draw, or more than there are outside.
    """
    axes, weights = value_vectors(model), parameters_of(model)
    units = [(name, unit) for name, axis in axes.items() for unit in range(weights[name].shape[axis])]
    size = int(share * len(units))
    if outside is not None:
        taken = {name: outside.chosen(name, axis) for name, axis in axes.items()}
        units = [(name, unit) for name, unit in units if not taken[name][unit]]
    if not 0 < size <= len(units):
        raise ConfigError(f"a budget of {share:g} is {size} value vectors, and there are {len(units)} to draw from")
    drawn = torch.randperm(len(units), generator=torch.Generator().manual_seed(seed))[:size]
    chosen: dict[str, list[int]] = {}
    for name, unit in (units[i] for i in sorted(drawn.tolist())):
        chosen.setdefault(name, []).append(unit)
    return Mask.of(model.network, {name: (axes[name], found) for name, found in chosen.items()})


def replayed(facts: Sequence[Example], retain: Sequence[Example], share: float, seed: int) -> list[Example]:
    """The facts and, for each of them, `share` retained examples on average, drawn without replacement."""
    size = round(share * len(facts))
    if size > len(retain):
        raise ConfigError(f"to replay {size} retained examples there must be as many; there are {len(retain)}")
    order = torch.randperm(len(retain), generator=torch.Generator().manual_seed(seed))[:size]
    return [*facts, *(retain[i] for i in sorted(order.tolist()))]
