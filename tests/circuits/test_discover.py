"""The whole way on a taught network: circuits, classes, what a record says, why."""

import json

import pytest

from circuits.planted import planted
from expunge.circuits.classes import circuits_of, mask_of, said_of
from expunge.circuits.discover import damage, discover
from expunge.circuits.graph import graph_of
from expunge.circuits.scene import DIRECTIONS
from expunge.config import CircuitsConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.record_circuits import Circuits
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_model, tiny_sets

pytest.importorskip("pysat")


def found(model: Model, **changes: object) -> tuple[Circuits, str]:
    config = CircuitsConfig.model_validate({"points": 1, "confirm": 2, "halvings": 1, **changes})
    sets = tiny_sets()
    return circuits_of(model, sets.forget, {"retain": sets.retain}, config, Encoder(model.tokenizer))


@pytest.mark.parametrize("grain", ["matrices", "heads", "neurons"])
def test_classes_masks_and_the_record(grain: str) -> None:
    model = taught_model()
    before = bits(model)
    circuits, dimacs = found(model, granularity=grain, groups=2)
    assert_same_bits(before, bits(model))
    assert (circuits, dimacs) == found(taught_model(), granularity=grain, groups=2)
    assert circuits == Circuits.model_validate(json.loads(circuits.model_dump_json()))
    graph = graph_of(model, grain, groups=2)
    assert list(circuits.classes) == [node.name for node in graph.nodes if node.name in circuits.classes]
    assert not circuits.classes.keys() & {"embed", "out"}
    forget, conflict = (mask_of(model, circuits, which, groups=2) for which in ("forget", "conflict"))  # type: ignore[arg-type]
    assert not len(forget & conflict)
    assert forget.weights() == circuits.weights("forget") and conflict.weights() == circuits.weights("conflict")
    assert len(circuits.of("forget")) + len(circuits.of("conflict")) > 0
    assert circuits.satisfiable == (not circuits.of("conflict"))
    assert f"c {(circuits.satisfiable and 'satisfiable') or 'unsatisfiable'}" in dimacs
    inner = set(graph.inner)
    for each in circuits.circuits:
        assert bool(inner) and any((edge.source, edge.target) in inner for edge in each.edges)
        assert all((edge.noising is None) == ((edge.source, edge.target) in inner) for edge in each.edges)
        assert each.pairs == each.offered == 4
        for direction in DIRECTIONS:
            curve = each.curves[direction]
            assert curve.reached == any(point.recovered >= 0.8 for point in curve.points) and curve.chosen > 0
    assert said_of(circuits)[0].startswith(f"Of {sum(node.weights > 0 for node in circuits.nodes)} nodes: ")


def test_why_leads_from_the_output_to_the_node() -> None:
    circuits, _ = found(taught_model())
    assert circuits.why
    edges = {title: {(e.source, e.target, e.gate) for e in each.edges} for title, each in zip("fr", circuits.circuits)}
    for reason in circuits.why:
        values = circuits.off if reason.side == "forget" else circuits.on
        assert reason.value == values[reason.node]
        if not reason.steps:
            continue
        assert reason.steps[0].node == "out" and reason.steps[-1].node == reason.node
        for step, below in zip(reason.steps, reason.steps[1:]):
            assert (below.node, step.node, step.gate) in edges[reason.side[0]]
            assert step.value == reason.value and step.inputs[below.node] == reason.value
            assert all(values[name] == value for name, value in step.inputs.items())


def test_a_size_that_is_given_and_pruning() -> None:
    circuits, _ = found(taught_model(), size=0.5, confirm=0)
    for each in circuits.circuits:
        for curve in each.curves.values():
            assert curve.chosen <= round(0.5 * each.possible) and curve.points[-1].edges == curve.chosen
            assert curve.recovered == curve.points[-1].recovered
    pruned, _ = found(taught_model(), engine="pruning", steps=10, sparsity=0.5)
    assert all(curve.confirmed == 0 and curve.reached for each in pruned.circuits for curve in each.curves.values())


def test_edges_near_the_threshold_are_in_or_out_by_their_exact_effect() -> None:
    """Nothing else moves: scores further from it than a factor of two stay on their side."""
    sets, taught = tiny_sets(), taught_model()
    plain, exact = (
        discover(taught, graph_of(taught), sets.forget, CircuitsConfig(points=1, confirm=n), Encoder(taught.tokenizer))
        for n in (0, 40)
    )
    assert plain.confirmed == dict.fromkeys(DIRECTIONS, 0) and all(0 < n <= 40 for n in exact.confirmed.values())
    for direction in DIRECTIONS:
        moved = plain.sized[direction].chosen != exact.sized[direction].chosen
        ratio = plain.scores[direction][moved] / plain.sized[direction].threshold
        assert bool(((ratio >= 0.5) & (ratio <= 2)).all())


def test_damage_is_what_the_retain_sets_lose() -> None:
    model = taught_model()
    graph, sets = graph_of(model), tiny_sets()
    each = discover(model, graph, sets.retain, CircuitsConfig(points=1, confirm=0), Encoder(model.tokenizer))
    lost = damage(graph, [each])
    scores = each.scores["noising"].clamp(min=0)
    assert lost["0.down"] == pytest.approx(float(scores[[n.name for n in graph.writers].index("0.down")].sum()))
    assert lost["1.q"] == pytest.approx(float(scores[:, [n.name for n in graph.readers].index("1.q")].sum()))
    assert damage(graph, [each, each]) == lost and min(lost.values()) >= 0


def test_what_cannot_be_explained_and_what_nobody_knows() -> None:
    planted_model, graph, _ = planted({0: ("and", (0, 1))})
    with pytest.raises(ConfigError, match="none of"):  # it knows none of these
        discover(planted_model, graph, tiny_sets().forget, CircuitsConfig(), Encoder(planted_model.tokenizer))
    model, sets = tiny_model(), tiny_sets()
    encoder = Encoder(model.tokenizer)
    with pytest.raises(ConfigError, match=r"no node called '9\.q' to explain"):
        circuits_of(model, sets.forget, {"retain": sets.retain}, CircuitsConfig(), encoder, explained=["9.q"])
    with pytest.raises(ConfigError, match="no contrast"):
        circuits_of(taught_model(), sets.forget[:1], {"retain": ()}, CircuitsConfig(swap="subject"), encoder)
