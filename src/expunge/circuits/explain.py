"""Why a node has its class: the way from the output, along which every value follows from the one above.

A gate's value asks something of its inputs: an AND that is 1 asks all to be 1, an OR that is 0 all to be 0, an AND
that is 0 or an OR that is 1 one of them. The gates have no negation, so what is asked is always the gate's own value,
and the shortest way down through nodes of that value is the explanation. A node that no way leads to has its value by a
tie.
"""

from collections.abc import Mapping, Sequence

from expunge.circuits.cnf import REDUCED, Side
from expunge.circuits.gates import Circuit
from expunge.record_circuits import Gate, Reason, Step

NAMES: Mapping[Side, str] = {"f": "forget", "r": "retain"}


def explain(node: str, circuits: Sequence[Circuit], side: Side, values: Mapping[str, bool]) -> Reason:
    """The shortest way through any of the side's circuits. `values`: of all their nodes."""
    ways = [way for each in circuits if (way := _way(node, each, side, values))]
    return Reason(
        node=node, side=NAMES[side], value=values[node], steps=tuple(min(ways, key=len, default=())),  # type: ignore[arg-type]
    )  # fmt: skip


def _way(node: str, circuit: Circuit, side: Side, values: Mapping[str, bool]) -> list[Step]:
    wanted = side == "r"
    if values.get(node) != wanted:
        return []  # nothing asks a node of the forget circuit to be 1, or one of a retain circuit to be 0
    above: dict[str, tuple[str, Gate]] = {}
    todo = [circuit.output]
    for name in todo:
        for gate, some in circuit.inputs.get(name, {}).items():
            asks = all if needed(gate, side) == "all" else any
            for each in some if asks(values[other] == wanted for other in some) else ():
                if each not in above and values[each] == wanted:
                    above[each] = (name, gate)
                    todo.append(each)
    if node not in above:
        return []
    steps = [Step(node=node, value=wanted)]
    while node != circuit.output:
        name, gate = above[node]
        inputs = {each: values[each] for each in circuit.inputs[name][gate]}
        steps.append(Step(node=name, value=wanted, gate=gate, inputs=inputs))
        node = name
    return steps[::-1]


def needed(gate: Gate, side: Side) -> str:
    """What a gate on that side asks of its inputs, in words: "all" or "one"."""
    counts_as = REDUCED[side] if gate == "adder" else gate
    return "all" if (counts_as == "or") == (side == "f") else "one"
