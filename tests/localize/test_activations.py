"""Activations against what neurons and heads write, one at a time."""

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoder
from expunge.localize import Scene
from expunge.localize.activations import activations
from expunge.localize.units import units_of
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.watching import edit_heads, module_at, watch_heads, watch_mlp_input
from steps import unequal_sets
from tiny import ARCHITECTURES, tiny_model


def scene_of(model: Model, granularity: str) -> Scene:
    sets = unequal_sets()
    return Scene(model, units_of(model, granularity), Encoder(model.tokenizer), sets.forget, sets.retain)


def alone(scene: Scene) -> list[tuple[Tensor, slice]]:
    """Each example's tokens, and the positions that predict its answer: one after another, without a forest."""
    return [(torch.tensor([each.ids]), slice(each.start - 1, len(each.ids) - 1)) for each in scene.encoded("forget")]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@torch.no_grad()
def test_neurons_are_the_mean_norm_of_what_each_writes(arch: str) -> None:
    scene = scene_of(tiny_model(arch=arch), "value_vectors")
    layout, named = scene.model.layout, plain_parameters(scene.model.network)
    expected = []
    for layer in range(layout.depth):
        name, axis = layout.value_vectors(layer)
        rows = []
        for ids, answer in alone(scene):
            with watch_mlp_input(scene.model, layer) as seen:
                scene.model.network(ids)
            rows.append(seen[0][answer])
        coefficients = torch.cat(rows)
        written = coefficients[:, :, None] * named[name].movedim(axis, 0)  # token, neuron, width
        expected.append(written.norm(dim=-1).mean(0))
    torch.testing.assert_close(activations(scene), torch.cat(expected))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@torch.no_grad()
def test_heads_are_the_mean_norm_of_what_each_writes(arch: str) -> None:
    """What the output projection gives with one head alone, less what it gives without any."""
    scene = scene_of(tiny_model(arch=arch), "heads")
    layout, expected = scene.model.layout, []
    for layer in range(layout.depth):
        project = module_at(scene.model, layout.attention_out(layer))
        rows = []
        for ids, answer in alone(scene):
            with watch_heads(scene.model, layer) as seen:
                scene.model.network(ids)
            rows.append(seen[0][answer])
        heads = torch.cat(rows)
        for head in range(layout.heads):
            only = torch.zeros_like(heads)
            stretch = slice(head * layout.head_dim, (head + 1) * layout.head_dim)
            only[:, stretch] = heads[:, stretch]
            expected.append((project(only) - project(torch.zeros_like(heads))).norm(dim=-1).mean())
    torch.testing.assert_close(activations(scene), torch.stack(expected))


@torch.no_grad()
def test_a_silent_head_writes_nothing() -> None:
    scene = scene_of(tiny_model(), "heads")

    def silence(heads: Tensor) -> Tensor:
        return heads.clone().index_fill_(-1, torch.arange(scene.model.layout.head_dim), 0.0)

    with edit_heads(scene.model, 1, silence):
        scores = activations(scene)
    assert scores[scene.model.layout.heads] == 0 and (scores > 0).sum() == len(scores) - 1
