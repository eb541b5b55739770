"""Classes: from a model and its sets to what to forget, what is in conflict, and what is safe. CLUE, arXiv:2509.20977.

The whole way: a circuit of the forget set, one of each retain set, their formula, the solution with the fewest
conflicts. `Circuits` is what a record keeps of it, and what masks are made of.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

from expunge.circuits.cnf import check, phi
from expunge.circuits.discover import Found, damage, discover
from expunge.circuits.explain import explain
from expunge.circuits.graph import Graph, graph_of
from expunge.circuits.scene import DIRECTIONS
from expunge.circuits.solve import Solution, fewest_conflicts
from expunge.config import CircuitsConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.mask import Mask
from expunge.models.halfway import NOWHERE, Halfway, Once
from expunge.models.layout import Part
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.record_circuits import CircuitInfo, Circuits, Class, Curve, CurvePoint, EdgeInfo, NodeInfo, Reason
from expunge.store import JSON

Phase = Callable[[str], AbstractContextManager[Callable[..., Any]]]
EXPLAINED = 3  # conflicts, where nobody says which


def silent(_: str) -> AbstractContextManager[Callable[..., Any]]:
    """A phase that nobody watches."""
    return nullcontext(lambda *_, **__: None)


def circuits_of(
    model: Model,
    forget: Sequence[Example],
    retain: Mapping[str, Sequence[Example]],
    config: CircuitsConfig,
    encoder: Encoder,
    *,
    explained: Sequence[str] = (),
    tokens: int = 512,
    halfway: Halfway = NOWHERE,
    phase: Phase = silent,
) -> tuple[Circuits, str]:
    """Circuits and classes, and Φ in DIMACS. `retain`: title → set, a circuit each.

    `halfway` keeps what there is of a search (under a key by `what_it_depends_on`), so that it goes on after a kill.
    Raises ConfigError where a set has no contrasts, or the model does not know them, or a circuit is empty.
    """
    graph = graph_of(model, config.granularity, groups=config.groups)
    check_explained(graph, explained)
    found, once = [], Once(halfway)
    for title, examples in {"forget": forget, **retain}.items():
        others = [each for name, some in {"forget": forget, **retain}.items() if name != title for each in some]
        with phase(f"circuit of the {title} set") as tick:
            found.append(
                discover(
                    model, graph, examples, config, encoder, title=title, among=others, tokens=tokens,
                    once=once, tick=lambda done, tick=tick: tick(done, "contrasts"),
                )
            )  # fmt: skip
    off, *on = (each.circuit for each in found)
    check(off, on)
    order = [node.name for node in graph.nodes]
    with phase("solving"):
        # what pruning gives are chances to stay, not effects: every node weighs the same then
        lost = damage(graph, found[1:]) if config.engine == "attribution" else None
        solution = fewest_conflicts(off, on, damage=lost, order=order, reading=config.reading, backbones=True)
        formula = phi(off, on, reading=config.reading).dimacs(_comments(found, solution))
    return told(model, graph, found, solution, explained), formula


def check_explained(graph: Graph, names: Sequence[str]) -> None:
    """Raises ConfigError for a node that there is not."""
    nodes = [node.name for node in graph.nodes if node.parts]
    if unknown := [name for name in names if name not in nodes]:
        raise ConfigError(f"no node called {unknown[0]!r} to explain; the first are {', '.join(nodes[:8])}")


def what_it_depends_on(
    model: str, forget: Sequence[Example], retain: Mapping[str, Sequence[Example]], config: CircuitsConfig,
    encoder: Encoder,
) -> dict[str, JSON]:  # fmt: skip
    """The key of a search that is halfway. `model`: a name of its weights."""

    def read(some: Sequence[Example]) -> list[JSON]:
        return [[e.id, e.subject, e.paraphrases, encoder.encode(e).ids] for e in some]

    sets = {title: read(some) for title, some in retain.items()}
    return {"model": model, "forget": read(forget), "retain": sets, "config": config.model_dump(mode="json")}


def told(
    model: Model, graph: Graph, found: Sequence[Found], solution: Solution, explained: Sequence[str] = ()
) -> Circuits:
    """For the record."""
    place = {node.name: i for i, node in enumerate(graph.nodes)}
    classes = dict(sorted(solution.classes.items(), key=lambda item: place[item[0]]))
    chosen = explained or [name for name, what in classes.items() if what == "conflict"][:EXPLAINED]
    chosen = chosen or [name for name, what in classes.items() if what == "forget"][:1]
    shapes = {name: tuple(weight.shape) for name, weight in parameters_of(model).items()}
    return Circuits(
        granularity=graph.granularity,
        nodes=tuple(
            NodeInfo(
                name=node.name, layer=node.layer, kind=node.kind,
                weights=sum(_size(shapes[part.parameter], part) for part in node.parts),
            )
            for node in graph.nodes
        ),
        circuits=tuple(_info(graph, each) for each in found),
        satisfiable=solution.satisfiable, off=solution.forget, on=solution.retain, classes=classes,
        certain=tuple(name for name in classes if name in solution.certain),
        why=tuple(reason for name in chosen for reason in _reasons(name, found, solution)),
    )  # fmt: skip


def mask_of(model: Model, found: Circuits, which: Class, *, groups: int) -> Mask:
    """The weights of a class's nodes."""
    return graph_of(model, found.granularity, groups=groups).mask(model, found.of(which))


def said_of(found: Circuits) -> tuple[str, ...]:
    """What a person reads first."""
    total = sum(node.weights for node in found.nodes)
    parts = [
        f"{len(found.of(which))} {which} ({100 * found.weights(which) / total:.1f} % of the weights of all nodes)"
        for which in ("forget", "conflict")
    ]
    nodes = sum(node.weights > 0 for node in found.nodes)
    how = (
        "satisfiable: the forget circuit can be switched off while the retain circuits stay on, without a conflict"
        if found.satisfiable
        else "unsatisfiable: at least so many nodes are in conflict"
    )
    lines = [f"Of {nodes} nodes: {', '.join(parts)}; the rest is safe. The formula is {how}."]
    for each in found.circuits:
        curves = [f"{each.curves[name].chosen} by {name}" for name in DIRECTIONS]
        lines.append(
            f"The {each.title} circuit: {len(each.edges)} edges ({', '.join(curves)}, of {each.possible}), from "
            f"{each.pairs} of {each.offered} contrasts that the model tells apart."
        )
    lines += [
        f"The {each.title} circuit recovers {100 * (curve.recovered or 0):.1f} % of the effect by {name}, less than "
        "`faithfulness` asks for."
        for each in found.circuits for name, curve in each.curves.items() if not curve.reached
    ]  # fmt: skip
    return tuple(lines)


def _comments(found: Sequence[Found], solution: Solution) -> list[str]:
    nodes = ", ".join(f"{len(each.circuit.nodes)} nodes of {each.title}" for each in found)
    return [
        "CLUE (arXiv:2509.20977): forget circuit off, retain circuits on; 1 is kept, 0 is off", nodes,
        "satisfiable" if solution.satisfiable else f"unsatisfiable; fewest conflicts: {len(solution.of('conflict'))}",
    ]  # fmt: skip


def _reasons(name: str, found: Sequence[Found], solution: Solution) -> list[Reason]:
    reasons = []
    if name in solution.forget:
        reasons.append(explain(name, [found[0].circuit], "f", solution.forget))
    if name in solution.retain:
        circuits = [each.circuit for each in found[1:] if name in each.circuit.nodes]
        reasons.append(explain(name, circuits, "r", solution.retain))
    return reasons or [Reason(node=name, side=None, value=True)]


def _size(shape: Sequence[int], part: Part) -> int:
    return prod(shape) // shape[part.axis] * (part.slice.stop - part.slice.start)


def _info(graph: Graph, found: Found) -> CircuitInfo:
    writers = {node.name: i for i, node in enumerate(graph.writers)}
    readers = {node.name: i for i, node in enumerate(graph.readers)}
    inner = set(graph.inner)

    def edge(source: str, target: str, gate: Any) -> EdgeInfo:
        if (source, target) in inner:
            return EdgeInfo(source=source, target=target, gate=gate)
        noising, denoising = (float(found.scores[each][writers[source], readers[target]]) for each in DIRECTIONS)
        return EdgeInfo(source=source, target=target, gate=gate, noising=noising, denoising=denoising)

    curves = {}
    for direction in DIRECTIONS:
        sized = found.sized[direction]
        points = tuple(CurvePoint(edges=p.edges, recovered=p.recovered, divergence=p.divergence) for p in sized.points)
        curves[direction] = Curve(
            chosen=int(sized.chosen.sum()), recovered=sized.recovered, reached=sized.reached,
            near=found.near[direction], confirmed=found.confirmed[direction], points=points,
        )  # fmt: skip
    return CircuitInfo(
        title=found.title, pairs=found.pairs, offered=found.offered, possible=int(graph.possible.sum()),
        edges=tuple(edge(*each) for each in found.circuit.edges), curves=curves,
    )  # fmt: skip
