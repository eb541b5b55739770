"""Exact patching goes on from the block that an edge reaches: the same as whole passes with that edge patched."""

import pytest
import torch

from expunge.circuits.graph import graph_of
from expunge.circuits.patching import patch
from expunge.circuits.scene import BASE, DIRECTIONS, Batch, Run, Scene
from expunge.circuits.wiring import written_by
from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.models.model import Model
from expunge.models.watching import module_at
from steps import assert_same_bits, bits
from tiny import ARCHITECTURES, tiny_model

GRAINS = ("matrices", "heads", "neurons")


def scene_on(model: Model, grain: str) -> Scene:
    graph = graph_of(model, grain, groups=3)
    rows = {
        "clean": [(3, 4, 5, 17, 7, 20, 28), (3, 4, 5, 18, 29)],
        "corrupted": [(3, 4, 5, 19, 7, 21, 28), (3, 4, 6, 22, 29)],
    }
    runs = {}
    for side, some in rows.items():
        forest = plant([[Encoded(ids, len(ids) - 1, "")] for ids in some])
        runs[side] = Run(forest, *written_by(model, graph, forest))
    batch = Batch(runs, torch.tensor([28, 29]), torch.tensor([30, 31]))  # type: ignore[arg-type]
    return Scene(model, graph, [batch])


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_as_whole_passes(arch: str, grain: str) -> None:
    model = tiny_model(arch=arch)
    scene, before = scene_on(model, grain), bits(model)
    edges = scene.graph.possible.nonzero().tolist()
    some = [tuple(each) for each in (*edges[:: max(1, len(edges) // 6)], edges[-1])]
    for direction in DIRECTIONS:
        base, _ = BASE[direction]
        whole = float(scene.batches[0].measure(scene.batches[0].runs[base].logits, base).sum())
        wanted = []
        for edge in some:
            keep = torch.ones(scene.graph.possible.shape)
            keep[edge] = 0
            with torch.no_grad():
                left = sum(float(each.measure(logits, base).sum()) for each, logits in scene.patched(direction, keep))
            wanted.append((whole - left) / scene.effect(direction))
        found = patch(scene, direction, some)  # type: ignore[arg-type]
        torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-3, atol=1e-4)
        assert found.abs().max() > 1e-3
    reader = scene.graph.readers[some[0][1]]
    assert _blocks_run(scene, some[0]) == model.layout.depth - reader.layer  # type: ignore[arg-type]
    assert _blocks_run(scene, some[-1]) == 0  # of the readers the last is what comes out  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        patch(scene, "noising", [(len(scene.graph.writers) - 1, 0)])
    assert_same_bits(before, bits(model))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())


def _blocks_run(scene: Scene, edge: tuple[int, int]) -> int:
    """Attentions that a patch of the edge computes."""
    model, seen = scene.model, []
    paths = [model.layout.attention_out(layer) for layer in range(model.layout.depth)]
    handles = [module_at(model, path).register_forward_hook(lambda *_: seen.append(1)) for path in paths]
    patch(scene, "noising", [edge])
    for handle in handles:
        handle.remove()
    return len(seen)
