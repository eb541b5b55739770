"""Half-path attribution against differences and against exact patching, on every architecture."""

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from scipy.stats import spearmanr

from expunge.circuits.attribution import _slopes, attribute
from expunge.circuits.contrast import Contrast, Side, contrasts
from expunge.circuits.graph import graph_of
from expunge.circuits.patching import patch
from expunge.circuits.scene import DIRECTIONS, Scene, scene_of
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.models.model import Model
from steps import assert_same_bits, bits, taught_model
from tiny import ARCHITECTURES, tiny_model, tiny_sets

STEP = 1e-3


def told(model: Model, pairs: int = 8) -> list[Contrast]:
    sets = tiny_sets()
    return contrasts([*sets.forget, *sets.retain], Encoder(model.tokenizer), pairs=pairs)


def turned(pairs: list[Contrast]) -> list[Contrast]:
    """What a model tells apart only if it takes the wrong answer for the right one."""
    return [replace(each, right=each.wrong, wrong=each.right) for each in pairs]


def scene(model: Model, grain: str, *, tokens: int = 512) -> Scene:
    return scene_of(model, graph_of(model, grain, groups=3), told(model), tokens=tokens)


@pytest.mark.parametrize("grain", ["matrices", "heads", "neurons"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_slopes_are_those_of_the_patched_run(arch: str, grain: str) -> None:
    """Next to a run itself a score is what a small part of the patch does. Also where nothing is known."""
    model = tiny_model(arch=arch)
    before = bits(model)
    pairs = told(model, 3)
    found = scene_of(model, graph_of(model, grain, groups=3), [*pairs, *turned(pairs)])
    (batch,) = found.batches
    clean, corrupted = (batch.runs[side] for side in ("clean", "corrupted"))
    scores = ((clean.written - corrupted.written).flatten(1) @ _slopes(found, batch, [1.0]).T) * found.graph.possible
    largest = scores.abs().flatten().sort(descending=True).indices[:4].tolist()
    scale = float(scores.abs().max())
    for place in largest:
        writer, reader = divmod(place, scores.shape[1])
        values = []
        for part in (STEP, -STEP):
            keep = torch.ones(scores.shape)
            keep[writer, reader] = 1 + part  # m past 1 is as good for a slope
            with torch.no_grad():
                those = [b.measure(logits, "clean").double().sum() for b, logits in found.patched("noising", keep)]
            values.append(float(sum(those)))
        slope = (values[0] - values[1]) / (2 * STEP)
        assert float(scores[writer, reader]) == pytest.approx(slope, rel=5e-2, abs=2e-2 * scale)
    assert_same_bits(before, bits(model))


@lru_cache
def knowing() -> Scene:
    return scene(taught_model(), "matrices")


def test_what_is_written_adds_up_to_the_effect_next_to_a_run() -> None:
    """All edges into the output, patched together, lose everything; batches change nothing."""
    found = knowing()
    keep = torch.ones(found.graph.possible.shape)
    keep[:, -1] = 0
    assert found.recovered("noising", keep)[0] == pytest.approx(0.0, abs=1e-4)
    assert found.recovered("noising", torch.ones_like(keep)) == pytest.approx((1.0, 0.0), abs=1e-5)
    assert found.recovered("denoising", torch.zeros_like(keep))[0] == pytest.approx(0.0, abs=1e-4)
    one, many = attribute(found, points=2), attribute(scene(taught_model(), "matrices", tokens=7), points=2)
    for direction in DIRECTIONS:
        torch.testing.assert_close(one[direction], many[direction], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_rank_by_attribution_is_rank_by_exact_patching(direction: str) -> None:
    """Every edge of a taught network is patched; most of the ten strongest are found."""
    found = knowing()
    places = [(w, r) for w, r in found.graph.possible.nonzero().tolist()]
    exact = patch(found, direction, places)  # type: ignore[arg-type]
    scores = attribute(found, points=8)[direction]  # type: ignore[index]
    ours = torch.stack([scores[place] for place in places])
    correlation = spearmanr(exact, ours).statistic
    top = lambda some: set(some.sort(descending=True).indices[:10].tolist())
    assert correlation > 0.7
    assert len(top(exact) & top(ours)) >= 6


def test_pairs_that_the_model_does_not_tell_apart_are_left_out() -> None:
    model = taught_model()
    pairs, graph = told(model), graph_of(model)
    assert scene_of(model, graph, [*pairs, *turned(pairs)]).pairs == len(pairs)
    with pytest.raises(ConfigError, match=f"none of {len(pairs)} contrasts apart"):
        scene_of(model, graph, turned(pairs))


def test_the_measure_is_high_in_a_run_of_its_own() -> None:
    for batch in knowing().batches:
        sides: tuple[Side, Side] = ("clean", "corrupted")
        for side in sides:
            own = batch.measure(batch.runs[side].logits, side)
            for other in sides:
                assert bool((own >= batch.measure(batch.runs[other].logits, side)).all())
