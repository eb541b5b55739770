"""Small random circuits, and what all their assignments say."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from random import Random

import numpy as np
from hypothesis import strategies as st

from expunge.circuits.cnf import REDUCED, Reading, Side
from expunge.circuits.gates import GATES, Circuit, Gate, leading_to

NAMES = tuple("abcdefg")


Plan = dict[str, dict[Gate, tuple[str, ...]]]


@st.composite
def plans(draw: st.DrawFn, names: Sequence[str] = NAMES) -> Plan:
    """Inputs of a circuit of at most as many nodes as names. The output has one. (`made` stands apart, for checks of
    types draw random numbers, which a strategy must not.)"""
    inputs: dict[str, dict[Gate, tuple[str, ...]]] = {}
    for i, name in enumerate([*names, "out"]):
        below = list(names[:i])
        least = 1 if name == "out" else 0
        some = draw(st.lists(st.sampled_from(below), min_size=least, max_size=3, unique=True)) if below else []
        groups: dict[Gate, tuple[str, ...]] = {}
        for each in some:
            gate = draw(st.sampled_from(GATES))
            groups[gate] = (*groups.get(gate, ()), each)
        if groups:
            inputs[name] = groups
    return inputs


def made(plan: Plan) -> Circuit:
    """The part of it that the output depends on."""
    return leading_to(plan, "out", list(plan))


def gate_values(groups: Mapping[Gate, Sequence[str]], values: Mapping[str, bool], side: Side) -> list[bool]:
    """What each group says, by the definitions."""
    found = []
    for gate, some in groups.items():
        counts_as = REDUCED[side] if gate == "adder" else gate
        found.append((all if counts_as == "and" else any)(values[name] for name in some))
    return found


def assignments(circuit: Circuit, side: Side, reading: Reading) -> Iterator[dict[str, bool]]:
    """Every assignment of all nodes that the gates allow, with the output as it must be."""
    for bits in product((False, True), repeat=len(circuit.nodes)):
        values = {**dict(zip(circuit.nodes, bits)), circuit.output: side == "r"}
        told = {name: gate_values(groups, values, side) for name, groups in circuit.inputs.items()}
        if reading == "together":
            right = all(values[name] == all(some) for name, some in told.items())
        else:
            right = all(values[name] == each for name, some in told.items() for each in some)
        if right:
            yield {name: values[name] for name in circuit.nodes}


def drawn(names: Sequence[str], rng: Random) -> Circuit:
    """A circuit in which every name is a node: what nothing reads leads to the output."""
    inputs: dict[str, dict[Gate, tuple[str, ...]]] = {}
    read: set[str] = set()

    def connect(target: str, some: Sequence[str]) -> None:
        for each in some:
            groups, gate = inputs.setdefault(target, {}), rng.choice(GATES)
            groups[gate] = (*groups.get(gate, ()), each)
            read.add(each)

    for i, name in enumerate(names):
        connect(name, rng.sample(names[:i], min(i, rng.choice((0, 0, 0, 1, 2, 3)))))
    connect("out", [name for name in names if name not in read])
    return leading_to(inputs, "out", [*names, "out"])


def table(circuit: Circuit, side: Side, reading: Reading) -> dict[str, np.ndarray]:
    """The same as `assignments`, by columns: node → its value in every assignment that is allowed."""
    count = len(circuit.nodes)
    values = {name: (np.arange(2**count) >> i & 1).astype(bool) for i, name in enumerate(circuit.nodes)}
    values[circuit.output] = np.full(2**count, side == "r")
    right = np.ones(2**count, bool)
    for name, groups in circuit.inputs.items():
        told = [
            (np.all if (REDUCED[side] if gate == "adder" else gate) == "and" else np.any)([values[n] for n in some], 0)
            for gate, some in groups.items()
        ]
        for each in told if reading == "equal" else [np.all(told, 0)]:
            right &= values[name] == each
    return {name: values[name][right] for name in circuit.nodes}
