"""Oracle: the units where injected facts are stored, known by construction. Lee et al. 2025, arXiv:2505.16252.

    V_tgt of θ_o, a model that learnt the forget set by V_tgt alone (`expunge world inject`)

The budget has no say: the region is as large as it is. No deviations.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import ConfigError
from expunge.localize import Scene, localizers
from expunge.mask import Mask


def _named(options: Mapping[str, Any]) -> None:
    if not options.get("mask"):
        raise ConfigError("oracle: name the region, oracle:mask=FILE; `expunge world inject` writes it to its folder")


@localizers.add("oracle", paper="arXiv:2505.16252", looks_at=(), budgeted=False, checks=_named)
def oracle(scene: Scene, *, mask: str | Mask = "") -> Float[Tensor, " units"]:
    """`mask`: the region or its file; `expunge world inject` writes it as mask.safetensors."""
    _named({"mask": mask})
    region = Mask.load(mask) if isinstance(mask, str) else mask
    region.check_shapes(scene.units.shapes)
    inside = scene.units.inside(region)
    if scene.units.mask(inside) != region:
        raise ConfigError(f"oracle: the region does not consist of {scene.units.granularity}: choose its granularity")
    return torch.where(inside, 0.0, -torch.inf)
