"""Circuits as reports show them: the words and tables beside `circuit_pictures.py`."""

from markupsafe import Markup

from expunge.record_circuits import CLASSES, CircuitInfo, Circuits, Reason
from expunge.report.circuit_pictures import GATE, why_picture
from expunge.report.numbers import number, percent

READING = (
    "A row is a layer, a column a node of it. Filled nodes stand in a circuit: what is to be forgotten, what is in "
    "conflict, what is safe. Empty ones stand in none and are safe as well. Point at a node for its numbers."
)
GATES_READING = (
    "Nodes from the lowest layer (bottom) to the output (top); an edge is what one node writes and another reads. "
    "Gates: AND, all inputs are needed; OR, any suffices; ADDER, they add up. The strongest edges are drawn."
)
CURVES_READING = (
    "How much of the difference between right and wrong answer a circuit of so many edges recovers, all others "
    "patched. Noising: what has to stay; denoising: what brings the answer back."
)
WHY_READING = (
    "From the output down to the node: each gate's value asks something of its inputs, all or one of them. A green "
    "square is an input that is on, a grey one is off; the one with a rim is the next on the way."
)
MEANING = (
    "The classes follow from the circuits by logic; that a node is causal for what it is said to hold is not proved by "
    "that. Compare with a draw of the same size, and with what comes of unlearning in each."
)


def why_told(found: Circuits) -> list[tuple[str, Markup]]:
    """Sentence and picture of every reason; of one without steps the sentence alone."""
    return [
        (_sentence(found, reason), why_picture(found, reason) if reason.steps else Markup("")) for reason in found.why
    ]


def _sentence(found: Circuits, reason: Reason) -> str:
    if reason.side is None:
        return f"{reason.node} is in no circuit, so it is safe."
    where = "forget circuit" if reason.side == "forget" else "retain circuits"
    which = found.classes[reason.node]
    words = f"{reason.node} ({which}) is {'on' if reason.value else 'off'} in the {where}"
    steps = len(reason.steps) - 1
    if not reason.steps:
        return f"{words}: nothing asks for it, so it follows from the fewest conflicts or from a tie."
    return f"{words}: {steps} step{'s' * (steps > 1)} from the output."


def circuits_table(found: Circuits) -> tuple[list[str], list[list[str]]]:
    """Head and rows, one a circuit."""
    head = ["Circuit", "Contrasts", "Nodes", "Edges", "AND", "OR", "ADDER", "Noising", "Denoising"]
    rows = []
    for each in found.circuits:
        nodes = {name for edge in each.edges for name in (edge.source, edge.target)} - {"out"}
        gates = [str(sum(edge.gate == gate for edge in each.edges)) for gate in GATE]
        curves = [_curve(each, name) for name in ("noising", "denoising")]
        rows.append(
            [each.title, f"{each.pairs} of {each.offered}", str(len(nodes)), str(len(each.edges)), *gates, *curves]
        )
    return head, rows


def classes_table(found: Circuits) -> tuple[list[str], list[list[str]]]:
    """Head and rows, one a class: how many nodes and weights, and which."""
    total = sum(node.weights for node in found.nodes) or 1
    rows = []
    for which in CLASSES:
        names, weights = found.of(which), found.weights(which)
        shown = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
        sure = sum(name in found.certain for name in names)
        rows.append(
            [which, str(len(names)), str(sure), f"{percent(weights / total)} ({number(weights)})", shown or "–"]
        )
    return ["Class", "Nodes", "In every best solution", "Share of the nodes' weights", "Which"], rows


def _curve(circuit: CircuitInfo, direction: str) -> str:
    curve = circuit.curves.get(direction)  # type: ignore[call-overload]
    if curve is None:
        return "–"
    told = "" if curve.recovered is None else f", {percent(curve.recovered)} recovered"
    return f"{curve.chosen} edges{told}{'' if curve.reached else ' (not reached)'}"
