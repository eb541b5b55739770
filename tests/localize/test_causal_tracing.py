"""Causal tracing against one whole pass for each layer, example and draw, without forests and without resuming."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from expunge.data.convention import Encoder
from expunge.localize import Scene
from expunge.localize.causal_tracing import causal_tracing
from expunge.localize.corruption import Corruption, corruption_of
from expunge.localize.units import units_of
from expunge.models.model import Model
from expunge.models.watching import module_at
from steps import taught_model, unequal_sets
from tiny import ARCHITECTURES, tiny_model

DRAWS = 2
State = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


def scene_of(model: Model, granularity: str = "layers") -> Scene:
    sets = unequal_sets()
    twice = replace(sets.forget[0], prompt=f"{sets.forget[0].subject} is ? {sets.forget[0].prompt}")
    forget = (twice, *sets.forget[1:3])
    return Scene(model, units_of(model, granularity), Encoder(model.tokenizer), forget, budget=30, seed=3)


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


class Direct:
    """One example of a scene, by plain hooks."""

    def __init__(self, corruption: Corruption, number: int, kind: str, where: str, window: int) -> None:
        self.model, self.corruption, self.number = corruption.scene.model, corruption, number
        self.encoded = corruption.encoded[number]
        layout = self.model.layout
        paths = {
            "mlp": layout.mlp_out, "attention": layout.attention_out, "residual": layout.block,
            "heads": layout.attention_out,
        }  # fmt: skip
        self.kind, self.window = kind, window
        self.modules = [module_at(self.model, paths[kind](layer)) for layer in range(layout.depth)]
        mentions = corruption.mentions[number]
        subject = [place for mention in mentions for place in mention]
        places = {"last": [m[-1] for m in mentions], "subject": subject, "all": list(range(len(self.encoded.ids)))}
        self.subject, self.places = subject, places[where]
        self.clean = self.states()

    def probability(self, draw: int | None) -> float:
        ids = torch.tensor([self.encoded.ids])
        embedding = self.model.network.get_input_embeddings()
        embedded = embedding(ids).clone()
        if draw is not None:
            embedded[0, self.subject] += self.corruption.noise(self.number, draw)
        handle = embedding.register_forward_hook(lambda *_: embedded)
        logits = self.model.network(ids).logits[0, self.encoded.start - 1 : -1]
        handle.remove()
        targets = torch.tensor(self.encoded.ids[self.encoded.start :])
        return float(logits.double().log_softmax(-1).gather(1, targets[:, None]).mean().exp())

    def states(self) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for i, module in enumerate(self.modules):
                if self.kind == "heads":
                    keep = lambda _, inputs, i=i: found.update({i: inputs[0]})
                    stack.callback(module.register_forward_pre_hook(keep).remove)
                else:
                    keep = lambda _, __, output, i=i: found.update({i: first(output)})
                    stack.callback(module.register_forward_hook(keep).remove)
            self.probability(None)
        return [found[i].reshape(len(self.encoded.ids), -1) for i in range(len(self.modules))]

    def effect(self, layer: int, draw: int, columns: slice = slice(None)) -> float:
        """P with the layer restored, less P without."""

        def put(i: int, state: Tensor) -> Tensor:
            flat = state.reshape(len(self.encoded.ids), -1).clone()
            for place in self.places:
                flat[place, columns] = self.clean[i][place, columns]
            return flat.view_as(state)

        def output_hook(i: int) -> Callable[..., object]:
            def hook(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> object:
                return put(i, output) if isinstance(output, Tensor) else (put(i, output[0]), *output[1:])

            return hook

        half = self.window // 2
        around = [i for i in range(layer - half, layer + self.window - half) if 0 <= i < len(self.modules)]
        with ExitStack() as stack:
            for i in around:
                if self.kind == "heads":
                    hook = lambda _, inputs, i=i: (put(i, inputs[0]), *inputs[1:])
                    stack.callback(self.modules[i].register_forward_pre_hook(hook).remove)
                else:
                    stack.callback(self.modules[i].register_forward_hook(output_hook(i)).remove)
            restored = self.probability(draw)
        return restored - self.probability(draw)


@torch.no_grad()
def direct(scene: Scene, kind: str, where: str, window: int = 1) -> Tensor:
    layout = scene.model.layout
    size = layout.head_dim
    columns = [slice(i * size, (i + 1) * size) for i in range(layout.heads)] if kind == "heads" else [slice(None)]
    corruption = corruption_of(scene, 3.0)
    examples = [Direct(corruption, i, kind, where, window) for i in range(len(scene.forget))]
    return torch.tensor(
        [
            sum(each.effect(layer, draw, stretch) for each in examples for draw in range(DRAWS)) / DRAWS / len(examples)
            for layer in range(layout.depth)
            for stretch in columns
        ]
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_layers_and_heads(arch: str) -> None:
    model = tiny_model(arch=arch)
    expected = direct(scene_of(model), "mlp", "last")
    torch.testing.assert_close(causal_tracing(scene_of(model), draws=DRAWS), expected, rtol=1e-3, atol=1e-7)
    expected = direct(scene_of(model, "heads"), "heads", "all")
    torch.testing.assert_close(causal_tracing(scene_of(model, "heads"), draws=DRAWS), expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("restore", ["mlp", "attention", "residual"])
@pytest.mark.parametrize("at", ["last", "subject", "all"])
@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_options(restore: str, at: str, window: int, arch: str) -> None:
    scene = scene_of(tiny_model(arch=arch))
    found = causal_tracing(scene, restore=restore, at=at, window=window, draws=DRAWS)  # type: ignore[arg-type]
    torch.testing.assert_close(found, direct(scene, restore, at, window), rtol=1e-3, atol=1e-7)


def test_the_residual_stream_restored_everywhere_brings_everything_back() -> None:
    scene = scene_of(taught_model())
    corruption = corruption_of(scene, 3.0)
    with torch.no_grad():
        examples = [Direct(corruption, i, "residual", "all", 1) for i in range(3)]
        owed = [each.probability(None) - each.probability(draw) for each in examples for draw in range(DRAWS)]
    found = causal_tracing(scene, restore="residual", at="all", draws=DRAWS)
    torch.testing.assert_close(found, torch.full((2,), sum(owed) / len(owed)), rtol=1e-4, atol=1e-6)
    assert float(found[0]) > 0.1  # noise on the subject costs what the model knows
