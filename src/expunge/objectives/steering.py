"""What the two RMU objectives share: the block that is read, what trains, the control direction."""

import torch

from expunge.config import ConventionConfig
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.models.layout import Layout
from expunge.models.model import Model
from expunge.objectives.objective import Prepared
from expunge.objectives.options import Layer


def block_at(layer: Layer, depth: int) -> int:
    """The number of a block, from 0: a whole number is that number, a fraction a share of the depth.

    0.22 is block 7 of 32 (the one that RMU reads in Zephyr-7B), block 6 of 30 and block 0 of 2; 1.0 is the
    last. Raises ConfigError when there is no such block.

    >>> block_at(7, 32), block_at(0.22, 32), block_at(0.22, 30), block_at(1.0, 30)
    (7, 7, 6, 29)
    """
    if isinstance(layer, int):
        if layer >= depth:
            raise ConfigError(f"layer {layer}: the model's {depth} blocks are numbered 0 to {depth - 1}")
        return layer
    return min(int(layer * depth), depth - 1)


def down_projections(layout: Layout, *, layer: Layer) -> list[str]:
    """The MLPs' down projections of the block that is read and of the two before it."""
    last = block_at(layer, layout.depth)
    return [f"{layout.mlp_out(block)}.weight" for block in range(max(last - 2, 0), last + 1)]


def control_direction(model: Model, sets: Sets, generator: torch.Generator, _convention: ConventionConfig) -> Prepared:
    """`control`: u = r / ‖r‖ with the entries of r uniform in [0, 1), one for the whole run."""
    drawn = torch.rand(model.layout.width, generator=generator, device=generator.device)
    return Prepared(sets, {"control": (drawn / drawn.norm()).to(model.device)})
