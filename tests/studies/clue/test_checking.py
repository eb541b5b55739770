"""Nodes switched off: what is left on planted gates, and on which contrasts it is asked."""

import pytest

from circuits.planted import planted
from expunge.circuits.contrast import contrasts
from expunge.circuits.graph import graph_of
from expunge.circuits.scene import scene_of
from expunge.config import CircuitsConfig
from expunge.data.convention import Encoder
from expunge.studies.clue.checking import against_exact, held_out, left, switched_off, without
from expunge.studies.clue.nodes import found_in
from expunge.studies.clue.scene import Scene
from expunge.suites import Suite
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_sets

pytest.importorskip("pysat")
HOW = CircuitsConfig(pairs=2, points=1, confirm=0)


def scene() -> Scene:
    model, sets = taught_model(), tiny_sets()
    suite = Suite("tiny", sets, utility={"geography": sets.retain, "offices": sets.retain})
    return Scene(model, suite, {}, sets.retain, Encoder(model.tokenizer), seed=0)


def test_edges_that_touch_a_node_are_patched() -> None:
    graph = graph_of(taught_model())
    keep = without(graph, ["0.o", "1.q"])
    writers, readers = ([node.name for node in some] for some in (graph.writers, graph.readers))
    for i, writer in enumerate(writers):
        for j, reader in enumerate(readers):
            assert keep[i, j] == (0 if writer == "0.o" or reader == "1.q" else 1)


def test_what_is_left_of_planted_gates() -> None:
    """By hand: an AND, an OR and an ADDER, a third of the answer each, over two bits. Patched bits are off."""
    model, graph, contrast = planted({0: ("and", (0, 1)), 1: ("or", (2, 3)), 2: ("adder", (4, 5))})
    looked = {"it": scene_of(model, graph, [contrast])}
    for nodes, share in {
        (): 1.0, ("0.mlp.0",): 2 / 3, ("0.mlp.2",): 1.0, ("0.mlp.2", "0.mlp.3"): 2 / 3, ("0.mlp.4",): 5 / 6,
        ("1.mlp.1",): 2 / 3, ("1.mlp.0", "1.mlp.1", "1.mlp.2"): 0.0,
    }.items():  # fmt: skip
        assert left(looked, graph, nodes)["it"] == pytest.approx(share, abs=1e-5), nodes


def test_other_contrasts_are_asked_where_there_are_any() -> None:
    there = scene()
    sets = {"forget": there.sets.forget, "retain": there.sets.retain}
    used = contrasts(sets["forget"], there.encoder, among=sets["retain"], pairs=2, seed=0)
    unseen = held_out("forget", sets, there, HOW)
    assert len(unseen) == 2 and not {each.example for each in used} & {each.example for each in unseen}
    everything = HOW.model_copy(update={"pairs": 9})
    assert len(held_out("forget", sets, there, everything)) == len(sets["forget"])


def test_classes_and_random_nodes_are_asked_the_same_and_the_model_is_left_alone() -> None:
    there = scene()
    before = bits(there.model)
    found = found_in(there, HOW)
    result = switched_off(there, HOW, found, draws=2)
    off = sum(not on for on in found.off.values())
    assert result["nodes"]["off"] == off > 0 and len(result["random"]["off"]) == 2
    assert set(result["left"]["off"]) == {"forget", "retain", "geography", "offices"} == set(result["pairs"])
    exact = against_exact(there, HOW, pairs=2)
    assert exact["edges"] == 29 and all(-1 <= exact[name]["rank"] <= 1 for name in ("noising", "denoising, whole path"))
    assert_same_bits(before, bits(there.model))
