"""Exact patching: one edge of the base run carries what it carried in the other, and the rest follows.

    e_uv = (M(base) - M(base with u → v patched)) / (M(base) - M(other))

One pass over the contrasts an edge. An AND's input has (1, 0) by noising and denoising, an OR's (0, 1), an ADDER's the
same in both: its share.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.circuits.scene import BASE, Direction, Scene


@torch.no_grad()
def patch(scene: Scene, direction: Direction, edges: Sequence[tuple[int, int]]) -> Float[Tensor, " edges"]:
    """The effect of each edge (writer, reader)."""
    base, _ = BASE[direction]
    whole = sum(float(each.measure(each.runs[base].logits, base).sum()) for each in scene.batches)
    effect, found = scene.effect(direction), []
    for writer, reader in edges:
        keep = torch.ones(scene.graph.possible.shape)
        keep[writer, reader] = 0
        left = sum(float(batch.measure(logits, base).sum()) for batch, logits in scene.patched(direction, keep))
        found.append((whole - left) / effect)
    return torch.tensor(found)
