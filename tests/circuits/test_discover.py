"""The whole way on a taught network: circuits, classes, what a record says, why."""

import json
from unittest.mock import patch

import pytest
import torch

from circuits.planted import planted
from expunge.circuits import classes
from expunge.circuits.classes import circuits_of, mask_of, said_of
from expunge.circuits.contrast import contrasts
from expunge.circuits.discover import _confirmed, damage, discover
from expunge.circuits.graph import graph_of
from expunge.circuits.scene import DIRECTIONS, scene_of
from expunge.circuits.sizing import Sized
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
            assert curve.recovered is not None and curve.reached == (curve.recovered >= 0.8) and curve.chosen > 0
            assert curve.confirmed == min(2, curve.near)
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
            assert curve.reached == (curve.recovered >= 0.8)
    assert any("less than" in line for line in said_of(circuits)) == any(
        not curve.reached for each in circuits.circuits for curve in each.curves.values()
    )
    pruned, _ = found(taught_model(), engine="pruning", steps=10, sparsity=0.5)
    assert all(curve.confirmed == 0 and curve.reached for each in pruned.circuits for curve in each.curves.values())


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"faithfulness": 0.9}, {"size": 0.2}, {"confirm": 0}, {"confirm": 40},
        {"engine": "pruning", "steps": 10, "sparsity": 0.5},
    ],
)  # fmt: skip
def test_what_is_said_to_be_recovered_is(changes: dict[str, object]) -> None:
    """By the edges that are chosen in the end, which exact patching may have moved."""
    model, sets = taught_model(), tiny_sets()
    config = CircuitsConfig.model_validate({"granularity": "heads", "points": 2, **changes})
    graph, encoder, among = graph_of(model, "heads"), Encoder(model.tokenizer), [*sets.forget, *sets.retain]
    for examples in (sets.forget, sets.retain):
        each = discover(model, graph, examples, config, encoder, among=among)
        scene = scene_of(model, graph, contrasts(examples, encoder, among=among))
        for direction in DIRECTIONS:
            sized = each.sized[direction]
            recovered, _ = scene.recovered(direction, sized.chosen.float())
            assert sized.recovered == recovered
            assert sized.reached == (recovered >= config.faithfulness)


TAKEN = {0: 0.01, 1: 0.03, 2: 0.02}  # edges that are chosen, each with its exact effect
ADDED = {3: 0.5}  # one that is not


@pytest.mark.parametrize(
    ("left", "before", "count"),
    [
        ({0: 0.8}, 0.9, 0), ({0: 0.7, 1: 0.8}, 0.9, 1), ({0: 0.7, 1: 0.7, 2: 0.85}, 0.9, 2),
        ({0: 0.7, 1: 0.7, 2: 0.7, 3: 0.7}, 0.9, None), ({0: 0.5, 1: 0.4, 2: 0.6, 3: 0.3}, 0.55, 2),
        ({0: 0.7, 1: 0.6, 2: 0.6, 3: 0.7}, 0.7, 0),
    ],
)  # fmt: skip
def test_what_patching_took_out_comes_back_until_enough_is_recovered(
    left: dict[int, float], before: float, count: int | None
) -> None:
    """`left`: what is recovered with so many back. `count`: how many come back; None: all is as it was before."""
    model, graph, contrast = planted({0: ("and", (0, 1))})
    scene = scene_of(model, graph, [contrast])
    shape = tuple(graph.possible.shape)
    chosen = torch.arange(graph.possible.numel()).lt(3).view(shape)
    sized = Sized(chosen, threshold=0.1, points=(), recovered=before, target=0.8)
    known = {f"noising, edge {divmod(place, shape[1])}": effect for place, effect in {**TAKEN, **ADDED}.items()}
    known |= {f"noising, confirmed, {back} back": value for back, value in left.items()}
    told = lambda name, _: torch.tensor([known[name], 0.0] if "back" in name else known[name], dtype=torch.float64)
    found, once = (_confirmed(scene, "noising", [*TAKEN, *ADDED], sized, undo, told) for undo in (True, False))
    edges = [set(each.chosen.flatten().nonzero().flatten().tolist()) for each in (found, once)]
    back = sorted(TAKEN, key=lambda place: -TAKEN[place])[:count]
    assert edges == [set(TAKEN) if count is None else {*ADDED, *back}, set(ADDED)]
    assert (found.recovered, once.recovered) == (before if count is None else left[count], left[0])


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


def test_after_pruning_every_node_weighs_the_same() -> None:
    """Its scores are chances to stay, which do not say what the retain set loses."""
    for changes, given in ({"size": 0.5, "confirm": 0}, True), ({"engine": "pruning", "steps": 2}, False):
        with patch.object(classes, "fewest_conflicts", wraps=classes.fewest_conflicts) as solving:
            found(taught_model(), **changes)
        assert bool(solving.call_args.kwargs["damage"]) == given


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
