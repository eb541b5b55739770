"""Pictures of circuits: classes by layer, a circuit, sizes, the way from the output to a node.

Colours: what is to be forgotten and what is kept have their own everywhere in a report; a conflict has a third.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log2

from markupsafe import Markup

from expunge.circuits.cnf import Side
from expunge.circuits.explain import needed
from expunge.record_circuits import CLASSES, CircuitInfo, Circuits, CurvePoint, EdgeInfo, Gate, NodeInfo, Reason
from expunge.report.numbers import number, percent
from expunge.report.svg import Scale, dot, line, path, picture, polygon, rectangle, text

WIDTH, LEFT, TOP = 896.0, 44.0, 58.0
COLUMN, LEAST, ROW, TALL = 22.0, 9.0, 16.0, 420.0  # widths of a column, heights of a row and of all rows
SHOWN = 120  # edges of a circuit, the strongest
FILLS = {"forget": "var(--forget)", "conflict": "var(--m2)", "safe": "var(--keep)"}
STROKES = {"and": "var(--m1)", "or": "var(--m4)", "adder": "var(--m0)"}
GATE = {"and": "AND", "or": "OR", "adder": "ADDER"}


def classes_picture(found: Circuits) -> Markup:
    """Where forget, conflict and safe nodes lie."""
    grid = _Grid(found.nodes, LEFT)
    parts: list[Markup] = [*grid.axes()]
    for node in grid.nodes:
        x, y = grid.corner(node)
        which = found.classes.get(node.name)
        tip = f"{node.name}: {which or 'in no circuit'}, {number(node.weights)} weights"
        tip += f"; forget circuit {_said(found.off, node.name)}, retain circuits {_said(found.on, node.name)}" * bool(
            which
        )
        tip += "; the same in every best solution" * (node.name in found.certain)
        fill, shade = (FILLS[which], 0.9) if which else ("none", 1.0)
        parts.append(rectangle(x, y, grid.column - 1.5, grid.row - 1.5, fill, shade, tip, kind="cell"))
    parts += _legend(FILLS, LEFT, grid.bottom + 14)
    told = ", ".join(f"{len(found.of(which))} {which}" for which in CLASSES)
    return picture(max(grid.right, 520), grid.bottom + 26, "Classes by layer", told, parts)


def circuit_picture(found: Circuits, circuit: CircuitInfo) -> Markup:
    """One circuit: nodes by layer, edges by gate."""
    inside = {name for edge in circuit.edges for name in (edge.source, edge.target)}
    grid = _Grid(found.nodes, LEFT, upwards=True)
    edges = sorted(circuit.edges, key=lambda edge: -_strength(edge))[:SHOWN]
    out = (grid.left + (grid.right - grid.left) / 2, TOP - 34)
    places = {node.name: grid.middle(node) for node in grid.nodes} | {"out": out}
    parts: list[Markup] = [*grid.axes(), text(out[0] + 8, out[1] + 4, "out", "start", "label")]
    for edge in reversed(edges):
        (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
        parts.append(line(x1, y1, x2, y2, "trace", STROKES[edge.gate]))
    for name, (x, y) in places.items():
        if name in inside:
            which = found.classes.get(name)
            parts.append(dot(x, y, FILLS[which] if which else "var(--ink)", f"{name}{f': {which}' if which else ''}"))
    parts += _legend({GATE[gate]: stroke for gate, stroke in STROKES.items()}, LEFT, grid.bottom + 28)
    told = f"{len(circuit.edges)} edges, {len(inside) - 1} nodes"
    return picture(max(grid.right, 420), grid.bottom + 40, f"The {circuit.title} circuit", told, parts)


def curves_picture(found: Circuits) -> Markup:
    """What is recovered against the size, of every circuit in both directions."""
    series = [
        (f"{each.title}, {name}", curve, i)
        for i, each in enumerate(found.circuits)
        for name, curve in each.curves.items()
    ]
    points = [point for _, curve, _ in series for point in curve.points]
    if not points:
        return Markup("")
    most = max(point.edges for point in points)
    right, bottom = 520.0, 220.0
    across, up = Scale(0, max(1.0, log2(most)), LEFT, right), Scale.around((0.0, 1.0), bottom, 16, *_within(points))
    parts: list[Markup] = []
    for tick in up.ticks():
        parts += [
            line(LEFT, up(tick), right, up(tick), "grid"),
            text(LEFT - 5, up(tick) + 4, f"{tick:g}", "end", "tick"),
        ]
    for power in range(0, int(log2(most)) + 1, max(1, int(log2(most)) // 6)):
        parts.append(text(across(power), bottom + 15, str(2**power), "middle", "tick"))
    parts.append(text((LEFT + right) / 2, bottom + 31, "edges", "middle", "label"))
    for row, (title, curve, number_) in enumerate(series):
        stroke = f"var(--m{1 + number_ % 6})"
        places = [(across(log2(p.edges)), up(min(max(p.recovered, -0.5), 1.5))) for p in curve.points]
        kind = "trace" if title.endswith("denoising") else "series"
        if len(places) > 1:
            parts.append(path(places, kind, stroke))
        parts += [dot(x, y, stroke, f"{title}: {p.edges} edges, {percent(p.recovered)}, KL {p.divergence:.3g} nats")
                  for (x, y), p in zip(places, curve.points)]  # fmt: skip
        at = 30 + 20 * row
        parts.append(line(right + 18, at, right + 40, at, kind, stroke))
        chosen = f"{title}: {curve.chosen} edges" + ("" if curve.reached else ", not reached")
        parts.append(text(right + 46, at + 4, chosen, "start", "label"))
    return picture(WIDTH, bottom + 38, "Size and faithfulness", f"{len(series)} curves", parts)


def why_picture(found: Circuits, reason: Reason) -> Markup:
    """The way from the output to a node."""
    parts: list[Markup] = []
    side: Side = "f" if reason.side == "forget" else "r"
    y = 16.0
    for here, below in zip(reason.steps, [*reason.steps[1:], None]):
        which = found.classes.get(here.node)
        parts.append(text(8, y + 4, here.node, "start", ""))
        parts.append(rectangle(84, y - 6, 11, 11, FILLS[which] if which else "none", 1, which or "", kind="cell"))
        parts.append(text(102, y + 4, "on" if here.value else "off", "start", "label"))
        if here.gate is not None and below is not None:
            asks = _asks(here.gate, side)
            parts.append(text(136, y + 4, f"{GATE[here.gate]} of {len(here.inputs)}: {asks}", "start", "label"))
            parts += _inputs(here.inputs, below.node, 300.0, y)
            parts.append(line(14, y + 9, 14, y + 19, "axis"))
            parts.append(polygon([(10, y + 17), (18, y + 17), (14, y + 22)], "var(--soft)"))
        y += 32
    told = f"{reason.node} is {'on' if reason.value else 'off'} in the {reason.side} circuit"
    return picture(WIDTH, y - 8, told, " → ".join(step.node for step in reason.steps), parts)


class _Grid:
    """Nodes by layer and by their place in it."""

    def __init__(self, nodes: Sequence[NodeInfo], left: float, *, upwards: bool = False) -> None:
        self.nodes, self.left, self.upwards = [node for node in nodes if node.weights], left, upwards
        labels = [node.name.partition(".")[2] for node in self.nodes]
        self.labels = list(dict.fromkeys(labels))
        self.depth = max((node.layer for node in self.nodes), default=0) + 1
        share = 2 if upwards else 1  # circuits stand side by side
        room = (WIDTH / share - left) / max(1, len(self.labels))
        self.column = max(LEAST, min(COLUMN * share, room))
        self.row = min(ROW * (1.5 if upwards else 1), TALL / self.depth)
        self.right, self.bottom = left + self.column * len(self.labels), TOP + self.row * self.depth

    def corner(self, node: NodeInfo) -> tuple[float, float]:
        layer = self.depth - 1 - node.layer if self.upwards else node.layer
        return self.left + self.column * self.labels.index(node.name.partition(".")[2]), TOP + self.row * layer

    def middle(self, node: NodeInfo) -> tuple[float, float]:
        x, y = self.corner(node)
        return x + self.column / 2, y + self.row / 2

    def axes(self) -> Iterable[Markup]:
        yield text(self.left - 6, TOP - 8, "layer", "end", "tick")
        every = next(n for n in (1, 2, 5, 10, 20, 50) if n * self.row >= 13 or n == 50)
        for layer in range(0, self.depth, every):
            shown = self.depth - 1 - layer if self.upwards else layer
            yield text(self.left - 6, TOP + self.row * (shown + 0.5) + 4, str(layer), "end", "tick")
        for i, label in enumerate(self.labels):
            at = self.left + self.column * (i + 0.5) + 4
            if self.upwards:
                yield text(at - 4, self.bottom + 10, label if self.column > 20 else "", "middle", "tick")
            else:
                yield text(at, TOP - 5, label, "start", "label", turned=True)


def _legend(signs: Mapping[str, str], x: float, y: float) -> Iterable[Markup]:
    for name, fill in signs.items():
        yield rectangle(x, y - 8, 10, 10, fill, 1)
        yield text(x + 15, y + 1, name, "start", "label")
        x += 30 + 7 * len(name)


def _inputs(inputs: Mapping[str, bool], following: str, x: float, y: float) -> Iterable[Markup]:
    """A square each, at most so many as fit; the one that the way goes through first."""
    names = [following, *(name for name in inputs if name != following)]
    room = int((WIDTH - x - 60) // 15)
    for i, name in enumerate(names[:room]):
        on = inputs[name]
        yield rectangle(
            x + 15 * i,
            y - 6,
            11,
            11,
            "var(--keep)" if on else "var(--rule)",
            1,
            f"{name}: {'on' if on else 'off'}",
            kind="ring" if i == 0 else "cell",
        )
    if len(names) > room:
        yield text(x + 15 * room + 2, y + 4, f"+{len(names) - room}", "start", "tick")


def _asks(gate: Gate, side: Side) -> str:
    return f"{needed(gate, side)} {'off' if side == 'f' else 'on'}"


def _strength(edge: EdgeInfo) -> float:
    return max(edge.noising or 0.0, edge.denoising or 0.0)


def _within(points: Sequence[CurvePoint]) -> list[float]:
    return [min(max(point.recovered, -0.5), 1.5) for point in points]


def _said(values, name: str) -> str:
    return "–" if name not in values else "on" if values[name] else "off"
