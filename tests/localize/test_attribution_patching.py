"""Attribution patching against patching: one unit at one position a small part of the way back to the clean run."""

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoder
from expunge.localize import Scene
from expunge.localize.attribution_patching import attribution_patching
from expunge.localize.corruption import Corruption, corruption_of
from expunge.localize.units import units_of
from expunge.models.model import Model
from expunge.models.watching import edit_embeddings, edit_heads, edit_mlp_input, watch_heads, watch_mlp_input
from steps import unequal_sets
from tiny import ARCHITECTURES, tiny_model

DRAWS, PART = 2, 2e-2
Where = tuple[str, int]  # "mlp" or "heads", layer
EDITS = {"mlp": edit_mlp_input, "heads": edit_heads}
WATCHES = {"mlp": watch_mlp_input, "heads": watch_heads}


def scene_of(model: Model, granularity: str) -> Scene:
    forget = unequal_sets().forget[1:3]
    return Scene(model, units_of(model, granularity), Encoder(model.tokenizer), forget, budget=10, seed=5)


class Direct:
    """One example and draw: log P of the corrupted run, patched or not."""

    def __init__(self, corruption: Corruption, number: int, draw: int) -> None:
        self.model, self.encoded = corruption.scene.model, corruption.encoded[number]
        self.subject = [place for mention in corruption.mentions[number] for place in mention]
        self.noise = corruption.noise(number, draw)
        places: list[Where] = [(kind, layer) for kind in EDITS for layer in range(self.model.layout.depth)]
        clean, corrupted = ({place: self.seen(place, noisy) for place in places} for noisy in (False, True))
        self.way = {place: clean[place] - corrupted[place] for place in places}  # [positions, size]

    def log_probability(self, noisy: bool = True) -> float:
        def disturb(embedded: Tensor) -> Tensor:
            edited = embedded.clone()
            edited[0, self.subject] += self.noise
            return edited

        with ExitStack() as stack:
            if noisy:
                stack.enter_context(edit_embeddings(self.model, disturb))
            logits = self.model.network(torch.tensor([self.encoded.ids])).logits[0, self.encoded.start - 1 : -1]
        targets = torch.tensor(self.encoded.ids[self.encoded.start :])
        return float(logits.double().log_softmax(-1).gather(1, targets[:, None]).mean())

    def seen(self, place: Where, noisy: bool) -> Tensor:
        with WATCHES[place[0]](self.model, place[1]) as seen:
            self.log_probability(noisy)
        return seen[0]

    def slope(self, place: Where, position: int, columns: slice) -> float:
        """d log P / d(part of the way), by central differences."""

        def moved(part: float) -> float:
            step = torch.zeros_like(self.way[place])
            step[position, columns] = part * self.way[place][position, columns]
            with EDITS[place[0]](self.model, place[1], lambda state: state + step.view_as(state)):
                return self.log_probability()

        return (moved(PART) - moved(-PART)) / (2 * PART)

    def score(self, stretches: list[tuple[Where, slice]]) -> float:
        """Σ over positions of the absolute sum over what the unit consists of."""
        positions = range(len(self.encoded.ids) - 1)
        return sum(abs(sum(self.slope(place, t, columns) for place, columns in stretches)) for t in positions)


@torch.no_grad()
def check(scene: Scene, units: dict[int, list[tuple[Where, slice]]], found: Tensor) -> None:
    corruption = corruption_of(scene, 3.0)
    runs = [Direct(corruption, i, draw) for i in range(len(scene.forget)) for draw in range(DRAWS)]
    for unit, stretches in units.items():
        expected = sum(run.score(stretches) for run in runs) / len(runs)
        assert float(found[unit]) == pytest.approx(expected, rel=2e-2, abs=2e-3 * float(found.max())), unit


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_neurons(arch: str) -> None:
    scene = scene_of(tiny_model(arch=arch), "value_vectors")
    found, d_ff = attribution_patching(scene, draws=DRAWS), scene.model.layout.d_ff
    chosen = {0, d_ff + 1, int(found[:d_ff].argmax()), d_ff + int(found[d_ff:].argmax())}
    check(scene, {u: [(("mlp", u // d_ff), slice(u % d_ff, u % d_ff + 1))] for u in chosen}, found)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_heads(arch: str) -> None:
    scene = scene_of(tiny_model(arch=arch), "heads")
    layout = scene.model.layout
    size = layout.head_dim
    found = attribution_patching(scene, draws=DRAWS)
    chosen = {layout.heads - 1, layout.heads + int(found[layout.heads :].argmax())}
    stretch = lambda head: slice(head * size, (head + 1) * size)
    check(scene, {u: [(("heads", u // layout.heads), stretch(u % layout.heads))] for u in chosen}, found)


@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_layers_add_neurons_and_heads_with_their_signs(arch: str) -> None:
    scene = scene_of(tiny_model(arch=arch), "layers")
    layers = range(scene.model.layout.depth)
    units: dict[int, list[tuple[Where, slice]]] = {i: [((kind, i), slice(None)) for kind in EDITS] for i in layers}
    check(scene, units, attribution_patching(scene, draws=DRAWS))


def test_without_noise_there_is_nothing_to_restore() -> None:
    scene = scene_of(tiny_model(), "value_vectors")
    loud, quiet = (attribution_patching(scene, noise=noise) for noise in (3.0, 1e-6))
    assert float(quiet.max()) < 1e-3 * float(loud.max())
