"""Gates that are known: every engine has to find them."""

from unittest.mock import patch

import pytest
import torch

from circuits.planted import edge, planted
from expunge.circuits import discover as discovery
from expunge.circuits.attribution import attribute, whole
from expunge.circuits.contrast import Contrast
from expunge.circuits.discover import Found, discover
from expunge.circuits.gates import Circuit, Gate, circuit_of
from expunge.circuits.graph import Graph, graph_of
from expunge.circuits.patching import patch as patched
from expunge.circuits.pruning import prune
from expunge.circuits.scene import DIRECTIONS, Scene, scene_of
from expunge.circuits.sizing import smallest
from expunge.circuits.solve import fewest_conflicts
from expunge.config import CircuitsConfig
from expunge.data.convention import Encoder
from expunge.models.model import Model
from tiny import tiny_sets

GATES: dict[int, tuple[Gate, tuple[int, ...]]] = {
    0: ("and", (0, 1)), 1: ("or", (2, 3)), 2: ("adder", (4, 5)), 3: ("and", (0, 6)),
}  # fmt: skip
EXPECTED = {"and": (1.0, 0.0), "or": (0.0, 1.0), "adder": (0.5, 0.5)}


def scene() -> Scene:
    model, graph, contrast = planted(GATES)
    return scene_of(model, graph, [contrast])


def test_effects_and_halves_are_what_the_gate_says() -> None:
    """Four gates, each a quarter of the answer; an ADDER's input is half of its gate."""
    found = scene()
    scores = attribute(found, points=4)
    for neuron, (gate, bits) in GATES.items():
        for bit in bits:
            place = edge(found.graph, f"0.mlp.{bit}", f"1.mlp.{neuron}")
            for direction, expected in zip(DIRECTIONS, EXPECTED[gate]):
                assert float(patched(found, direction, [place])[0]) == pytest.approx(expected / 4, abs=1e-5)
                assert float(scores[direction][place]) == pytest.approx(expected / 4, abs=1e-5)
    absent = edge(found.graph, "0.mlp.7", "1.mlp.0")
    assert [float(each[absent]) for each in scores.values()] == [0.0, 0.0]
    same = [whole(scores)[edge(found.graph, f"0.mlp.{bit}", f"1.mlp.{neuron}")] for neuron, bit in ((0, 0), (1, 2))]
    assert same[0] == pytest.approx(same[1])  # along the whole path an AND is an OR


def labels(found: Scene, scores: dict[str, torch.Tensor]) -> dict[tuple[str, str], str]:
    """Gates of the edges between bits and gates, by circuits that recover all."""
    sets = []
    for direction in DIRECTIONS:
        measure = lambda chosen, direction=direction: found.recovered(direction, chosen.float())
        sized = smallest(scores[direction], measure, target=0.99, halvings=5)
        assert sized.reached and sized.points[-1].recovered >= 0.99
        sets.append(list(found.graph.edges(sized.chosen)))
    circuit = circuit_of(*sets, order=[node.name for node in found.graph.nodes], lone=True)
    return {(a, b): gate for a, b, gate in circuit.edges if a.startswith("0.mlp")}


TRUE = {(f"0.mlp.{bit}", f"1.mlp.{neuron}"): gate for neuron, (gate, bits) in GATES.items() for bit in bits}


def test_attribution_finds_the_gates() -> None:
    found = scene()
    scores = attribute(found)
    # where every score is 0 there is nothing to choose by: single effects do not keep one input of an OR
    sets = [list(found.graph.edges(scores[direction] > 1e-4)) for direction in DIRECTIONS]
    circuit = circuit_of(*sets, order=[node.name for node in found.graph.nodes])
    assert {(a, b): gate for a, b, gate in circuit.edges if a.startswith("0.mlp")} == TRUE
    assert {a for a, b, _ in circuit.edges if b == "out"} == {f"1.mlp.{neuron}" for neuron in GATES}


def found_by_default(model: Model, graph: Graph, contrast: Contrast) -> Found:
    """The whole way with the settings as they are."""
    config = CircuitsConfig.model_validate({"granularity": "neurons"})
    with patch.object(discovery, "contrasts", lambda *_, **__: [contrast]):
        return discover(model, graph, tiny_sets().forget, config, Encoder(model.tokenizer))


def test_by_default_the_gates_are_found() -> None:
    """The single effects of an OR's inputs are 0 by noising, so its quarter of the answer is out of reach there."""
    each = found_by_default(*planted(GATES))
    assert {(a, b): gate for a, b, gate in each.circuit.edges if a.startswith("0.mlp")} == TRUE
    noising, denoising = (each.sized[direction] for direction in DIRECTIONS)
    assert (noising.recovered, noising.reached) == (pytest.approx(0.75, abs=1e-5), False)
    assert (denoising.recovered, denoising.reached) == (pytest.approx(0.5, abs=1e-5), False)  # nor both ANDs here


def test_what_adds_up_beside_an_or_is_no_input_of_it() -> None:
    """OR(a, b) + c: without c half of the answer is gone, so a forget set that needs it off is in conflict."""
    model, _, contrast = planted({0: ("or", (0, 2)), 1: ("adder", (4,))})
    graph = graph_of(model, "neurons", groups=4)  # pairs of neurons: both gates are one node
    a, b, c, node = "0.mlp.0", "0.mlp.1", "0.mlp.2", "1.mlp.0"
    each = found_by_default(model, graph, contrast)
    assert each.circuit.inputs[node] == {"or": (a, b), "adder": (c,)}
    keep = torch.ones(graph.possible.shape)
    keep[[writer.name for writer in graph.writers].index(c)] = 0
    assert scene_of(model, graph, [contrast]).recovered("noising", keep)[0] == pytest.approx(0.5, abs=1e-5)
    pytest.importorskip("pysat")
    classes = fewest_conflicts(Circuit({"out": {"or": (c, "q")}}), [each.circuit]).classes
    assert classes == {c: "conflict", "q": "forget", a: "safe", b: "safe", node: "safe"}


def test_pruning_finds_the_gates() -> None:
    """Small sets: noising keeps one input of the OR, denoising one of an AND, and the lone ones are put right."""
    found = scene()
    scores = {d: prune(found, d, sparsity=0.97, steps=250, rate=0.2) for d in DIRECTIONS}
    assert labels(found, scores) == TRUE


def test_the_model_ends_as_it_was_and_the_same_seed_gives_the_same() -> None:
    found = scene()
    one, other = (prune(found, "noising", steps=5) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, prune(Scene(found.model, found.graph, found.batches, seed=1), "noising", steps=5))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in found.model.network.parameters())
