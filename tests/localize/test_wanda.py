"""Wanda against norms of inputs collected one token at a time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from expunge.data.convention import Encoder
from expunge.localize import Scene
from expunge.localize.units import Units, units_of
from expunge.localize.wanda import wanda
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.watching import module_at
from steps import unequal_sets
from tiny import ARCHITECTURES, tiny_model


def scene_of(model: Model, units: Units) -> Scene:
    return Scene(model, units, Encoder(model.tokenizer), unequal_sets().forget)


@torch.no_grad()
def products(scene: Scene) -> dict[str, Tensor]:
    """Parameter → |W| · ‖X‖, with the norms of inputs that a list of all tokens gives, example by example."""
    seen: dict[str, list[Tensor]] = {}
    handles = []
    paths = [name.removesuffix(".weight") for name in scene.units.parameters if name.endswith(".weight")]
    for path in paths:
        module: nn.Module = module_at(scene.model, path)
        keep = lambda _, inputs, path=path: seen.setdefault(path, []).append(inputs[0].reshape(-1, inputs[0].shape[-1]))
        handles.append(module.register_forward_pre_hook(keep))
    for each in scene.encoded("forget"):
        scene.model.network(torch.tensor([each.ids[:-1]]))  # the last token predicts nothing
    for handle in handles:
        handle.remove()
    named = plain_parameters(scene.model.network)
    found = {}
    for path in paths:
        norms = torch.cat(seen[path]).norm(dim=0)
        weight = named[f"{path}.weight"]
        axis = 0 if scene.model.layout.architecture.transposed else 1
        found[f"{path}.weight"] = weight.abs() * norms.view([-1 if a == axis else 1 for a in (0, 1)])
    return found


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_single_weights(arch: str) -> None:
    model = tiny_model(arch=arch)
    scene = scene_of(model, units_of(model, "weights"))
    expected = torch.cat([products(scene)[name].flatten() for name in scene.units.parameters])
    torch.testing.assert_close(wanda(scene), expected)


@pytest.mark.parametrize("arch", ["llama", "phi3", "gpt2", "gpt_neox", "qwen2"])
@pytest.mark.parametrize("granularity", ["value_vectors", "heads", "rows", "matrices"])
def test_units_are_sums_over_the_weights_of_their_masks(arch: str, granularity: str) -> None:
    model = tiny_model(arch=arch)
    scene = scene_of(model, units_of(model, granularity))
    table, scores = products(scene), wanda(scene)
    for unit in range(0, scene.units.count, 1 + scene.units.count // 8):
        mask = scene.units.mask(torch.arange(scene.units.count) == unit)
        total = sum(float(values[mask.inside(name)].sum()) for name, values in table.items() if name in mask)
        assert float(scores[unit]) == pytest.approx(total, rel=1e-5)


def test_adapted_layers_have_inputs_too() -> None:
    """A LoRA that does nothing yet leaves the scores as they are."""
    peft = pytest.importorskip("peft")
    model = tiny_model()
    units = units_of(model, "rows")
    plain = wanda(scene_of(model, units))
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj", "up_proj"])
    adapted = replace(model, network=peft.get_peft_model(model.network, config))
    torch.testing.assert_close(wanda(scene_of(adapted, units)), plain)


def test_twice_the_input_is_twice_the_score() -> None:
    """A norm's weight scales what gate and up read, and nothing else of the block below it."""
    model = tiny_model()
    units = units_of(model, "matrices")
    before = wanda(scene_of(model, units))
    norm = plain_parameters(model.network)[f"{model.layout.norms(1)[1]}.weight"]
    with torch.no_grad():
        norm *= 2
    after = wanda(scene_of(model, units))
    moved = (after / before - 2).abs() < 1e-4
    last = units.count - 7  # query, key, value, output, gate, up, down of block 1
    assert moved.nonzero().flatten().tolist() == [last + 4, last + 5]
    torch.testing.assert_close(after[: last + 4], before[: last + 4])
