"""Exact patching: one edge of the base run carries what it carried in the other, and the rest follows.

    e_uv = (M(base) - M(base with u → v patched)) / (M(base) - M(other))

One pass over the contrasts an edge, from the block on in which v reads: what lies below is as it was. An AND's input
has (1, 0) by noising and denoising, an OR's (0, 1), an ADDER's the same in both: its share.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.circuits.scene import BASE, Batch, Direction, Scene
from expunge.circuits.wiring import Wires, run
from expunge.models.resuming import resumed


@torch.no_grad()
def patch(scene: Scene, direction: Direction, edges: Sequence[tuple[int, int]]) -> Float[Tensor, " edges"]:
    """The effect of each edge (writer, reader)."""
    base, _ = BASE[direction]
    whole = sum(float(each.measure(each.runs[base].logits, base).sum()) for each in scene.batches)
    effect, found = scene.effect(direction), []
    for writer, reader in edges:
        left = sum(_left(scene, batch, direction, writer, reader) for batch in scene.batches)
        found.append((whole - left) / effect)
    return torch.tensor(found)


def _left(scene: Scene, batch: Batch, direction: Direction, writer: int, reader: int) -> float:
    """M of a batch when `reader` reads what `writer` writes in the other run."""
    base, other = (batch.runs[side] for side in BASE[direction])
    assert scene.graph.possible[writer, reader]
    wires = Wires(without=(reader, base.written[writer] - other.written[writer]))
    with resumed(scene.model, scene.graph.readers[reader].layer, base.blocks):
        logits = run(scene.model, scene.graph, base.forest, wires)
    scene.tick(len(batch))
    return float(batch.measure(logits, BASE[direction][0]).sum())
