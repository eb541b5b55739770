"""Knowledge neurons: completeness, and the integral by finite differences on whole passes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoded, Encoder
from expunge.localize import Scene, localizers
from expunge.localize.knowledge_neurons import knowledge_neurons
from expunge.localize.units import units_of
from expunge.models.model import Model
from expunge.models.watching import edit_mlp_input, watch_mlp_input
from steps import taught_model, unequal_sets
from tiny import ARCHITECTURES, tiny_model

POST_NORM = ("gemma2", "gemma3_text", "gemma3", "olmo2")  # a norm follows the down projection


def scene_of(model: Model) -> Scene:
    return Scene(model, units_of(model, "value_vectors"), Encoder(model.tokenizer), unequal_sets().forget, budget=30)


@torch.no_grad()
def probability(model: Model, encoded: Encoded, layer: int, scale: Tensor) -> float:
    """The mean probability of the answer's tokens, with a layer's coefficients scaled [answer tokens, d_ff]."""
    start, stop = encoded.start - 1, len(encoded.ids) - 1

    def scaled(coefficients: Tensor) -> Tensor:
        edited = coefficients.clone()
        edited.view(-1, edited.shape[-1])[start:stop] *= scale
        return edited

    with edit_mlp_input(model, layer, scaled):
        logits = model.network(torch.tensor([encoded.ids])).logits[0, start:stop]
    targets = torch.tensor(encoded.ids[start + 1 :])
    return float(logits.double().softmax(-1).gather(1, targets[:, None]).mean())


@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if arch not in POST_NORM])
def test_a_layers_neurons_add_up_to_what_the_answer_owes_them(arch: str) -> None:
    """Σ_j IG_j = P(a) - P(0), for answers of one to four tokens."""
    scene = scene_of(tiny_model(arch=arch))
    layout, encoded = scene.model.layout, scene.encoded("forget")
    found = knowledge_neurons(scene, steps=60).view(layout.depth, layout.d_ff).sum(1)
    for layer in range(layout.depth):
        full, none = torch.ones(1, layout.d_ff), torch.zeros(1, layout.d_ff)
        owed = [probability(scene.model, e, layer, full) - probability(scene.model, e, layer, none) for e in encoded]
        assert float(found[layer]) == pytest.approx(sum(owed) / len(owed), abs=1e-5, rel=5e-3)


@pytest.mark.parametrize("arch", POST_NORM)
def test_behind_a_norm_they_are_gradient_times_coefficient(arch: str) -> None:
    """Scale-invariant in α: the gradient at αa is that at a, divided by α."""
    scene = scene_of(tiny_model(arch=arch))
    one, many = knowledge_neurons(scene, steps=1), knowledge_neurons(scene, steps=5)
    scale = float(one.abs().max())
    factor = sum(1 / (k + 0.5) for k in range(5)) / 2  # (1/m) Σ 1/α_k for m = 5, against 2 for m = 1
    torch.testing.assert_close(many, one * factor, rtol=1e-2, atol=1e-3 * scale)
    assert abs(float(many.view(scene.model.layout.depth, -1).sum(1).abs().max())) < 0.02 * scale


@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_single_neurons_by_finite_differences(arch: str) -> None:
    """a · ∂P/∂(αa) is the change of P as the neuron alone goes on from α, at each of the m points."""
    scene = scene_of(tiny_model(arch=arch))
    layout, encoded, steps, small = scene.model.layout, scene.encoded("forget"), 3, 1e-2
    found = knowledge_neurons(scene, steps=steps).view(layout.depth, layout.d_ff)
    scale = float(found.abs().max())
    for layer in range(layout.depth):
        for neuron in (0, 7, int(found[layer].abs().argmax())):
            expected = 0.0
            for each in encoded:
                for step in range(steps):
                    at = torch.full((1, layout.d_ff), (step + 0.5) / steps)
                    more, less = at.clone(), at.clone()
                    more[0, neuron] += small
                    less[0, neuron] -= small
                    rise = probability(scene.model, each, layer, more) - probability(scene.model, each, layer, less)
                    expected += rise / (2 * small) / steps / len(encoded)
            assert float(found[layer, neuron]) == pytest.approx(expected, abs=1e-3 * scale, rel=1e-2)


def test_scores_are_signed_and_the_highest_carry_the_answer() -> None:
    """In a model that knows its facts, silencing the neurons chosen costs more than silencing as many others."""
    scene = scene_of(taught_model())
    layout, encoded = scene.model.layout, scene.encoded("forget")
    found = knowledge_neurons(scene).view(layout.depth, layout.d_ff)
    assert float(found.min()) < 0 < float(found.max())

    def left(layer: int, silent: Tensor) -> float:
        scale = torch.ones(1, layout.d_ff)
        scale[0, silent] = 0.0
        return sum(probability(scene.model, each, layer, scale) for each in encoded)

    for layer in range(layout.depth):
        order = found[layer].argsort(descending=True)
        assert left(layer, order[:8]) < left(layer, order[20:28]) < left(layer, order[-8:]) + 0.5


def test_a_pass_for_each_layer_with_all_steps_of_an_example_in_one_tree() -> None:
    """Each starts at its layer: block 0 is computed for the clean pass and for its own."""
    scene, seen = scene_of(tiny_model()), []
    whole = replace(scene, budget=10_000, tick=seen.append)
    with watch_mlp_input(scene.model, 0) as first, watch_mlp_input(scene.model, 1) as last:
        knowledge_neurons(whole, steps=5)
    assert (len(first), len(last)) == (2, 3)
    encoded = scene.encoded("forget")
    assert len(first[0]) == sum(each.start - 1 + 5 * (len(each.ids) - each.start) for each in encoded)
    assert sum(seen) == len(scene.forget) * localizers.get("knowledge_neurons").rounds(scene, steps=5)


@pytest.mark.parametrize("budget", [1, 13, 40])
def test_how_steps_are_cut_changes_nothing(budget: int) -> None:
    scene = scene_of(tiny_model(arch="gemma2"))
    whole, cut = (knowledge_neurons(replace(scene, budget=size), steps=7) for size in (10_000, budget))
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))
