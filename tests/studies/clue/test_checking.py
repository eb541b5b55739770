"""Nodes switched off: what is left on planted gates, and on which contrasts it is asked."""

from dataclasses import replace
from typing import Literal

import pytest

from circuits.planted import planted
from expunge.circuits.contrast import contrasts
from expunge.circuits.graph import graph_of
from expunge.circuits.scene import scene_of
from expunge.config import CircuitsConfig
from expunge.errors import ConfigError
from expunge.record_circuits import CircuitInfo, Circuits, Curve, CurvePoint, NodeInfo
from expunge.studies.clue.checking import against_exact, held_out, left, sizes, switched_off, without
from expunge.studies.clue.circuit_tables import classes_table
from expunge.studies.clue.nodes import found_in
from steps import assert_same_bits, bits, taught_model
from studies.clue.clue_scene import scene
from tiny import tiny_sets

pytest.importorskip("pysat")
Curves = dict[Literal["noising", "denoising"], Curve]
HOW = CircuitsConfig(pairs=2, points=1, confirm=0)


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
    unseen, new = held_out("forget", sets, there, HOW)
    assert new and len(unseen) == 2 and not {each.example for each in used} & {each.example for each in unseen}
    everything = HOW.model_copy(update={"pairs": 9})
    asked, new = held_out("forget", sets, there, everything)
    assert not new and len(asked) == len(sets["forget"])


def test_classes_and_random_nodes_are_asked_the_same_and_the_model_is_left_alone() -> None:
    there = scene()
    before = bits(there.model)
    found = found_in(there, HOW)
    result = switched_off(there, HOW, found, draws=2)
    off = sum(not on for on in found.off.values())
    assert result["nodes"]["off"] == off > 0 and len(result["random"]["off"]) == 2
    assert set(result["left"]["off"]) == {"forget", "retain", "geography", "offices"} == set(result["pairs"])
    some = against_exact(there, HOW, pairs=2, edges=7)
    assert some["edges"] == 7 and some == against_exact(there, HOW, pairs=2, edges=7)
    exact = against_exact(there, HOW, pairs=2)
    assert exact["edges"] == 29 and all(-1 <= exact[name]["rank"] <= 1 for name in ("noising", "denoising, whole path"))
    assert_same_bits(before, bits(there.model))


def test_a_set_that_the_model_cannot_do_is_left_out() -> None:
    """Its answers are the wrong ones, so that no contrast is told apart; without the forget set nothing is asked."""
    there, answers = scene(), [each.answer for each in tiny_sets().retain]
    wrong = tuple(replace(e, answer=a) for e, a in zip(tiny_sets().retain, [*answers[1:], answers[0]]))
    found = found_in(there, HOW)
    unknown = replace(there, kinds={"geography": wrong, "offices": there.kinds["offices"]})
    result = switched_off(unknown, HOW, found, draws=1)
    assert set(result["pairs"]) == {"forget", "retain", "offices"} == set(result["left"]["off"])
    nothing = replace(there, sets=replace(there.sets, forget=wrong))
    with pytest.raises(ConfigError):
        switched_off(nothing, HOW, found, draws=1)


def survey_of(recovered: float | None) -> Circuits:
    """Three nodes of 1, 2 and 5 weights. The curve was tried beyond the size that was chosen."""
    points = tuple(CurvePoint(edges=e, recovered=r, divergence=0) for e, r in ((2, 0.5), (4, 0.75), (8, 0.99)))
    curves: Curves = {"noising": Curve(chosen=4, recovered=recovered, reached=True, confirmed=1, points=points)}
    nodes = [NodeInfo(name=n, layer=0, kind="up", weights=w) for n, w in (("a", 1), ("b", 2), ("c", 5))]
    return Circuits(
        granularity="matrices", nodes=tuple(nodes), satisfiable=False, off={}, on={},
        circuits=(CircuitInfo(title="forget", pairs=1, offered=1, possible=9, edges=(), curves=curves),),
        classes={"a": "forget", "c": "conflict"}, certain=("a",),
    )  # fmt: skip


def test_what_a_circuit_recovers_is_the_chosen_ones() -> None:
    found = sizes(survey_of(0.75))
    assert (found["recovered"], found["edges"]) == (0.75, 4)
    assert found["classes"] == {"forget": [1, 1 / 8], "conflict": [1, 5 / 8], "safe": [0, 0]}
    unknown = sizes(survey_of(None))  # not measured again after edges were moved
    assert unknown["recovered"] is None
    rows = [{"granularity": "matrices", "size": 0.1, "contrasts": 0, **each} for each in (found, unknown)]
    (row,) = classes_table([{"rows": rows}]).rows
    assert row[3] == "0.75"
    assert classes_table([{"rows": rows[1:]}]).rows[0][3] == "–"
