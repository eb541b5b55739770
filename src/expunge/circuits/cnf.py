"""Circuits as formulas in conjunctive normal form. Tseitin 1968; CLUE, arXiv:2509.20977.

    C = A1 ∧ … ∧ An :  (¬A1 ∨ … ∨ ¬An ∨ C)  Πi (Ai ∨ ¬C)
    C = A1 ∨ … ∨ An :  (A1 ∨ … ∨ An ∨ ¬C)   Πi (¬Ai ∨ C)
    Φ = Φ_f ∧ Φ_r ∧ ¬out_f ∧ out_r             1: the node is kept, 0: it is off

In Φ a node of both circuits is one variable, and the outputs are several. `apart` gives each side its own copy, and the
solver weighs where the copies differ: that is the conflict.

A node with inputs of several kinds: n ↔ ∧(its AND inputs) ∧ ∨(its OR inputs) ∧ its ADDERs, as the side reduces them.
`reading="equal"` is the authors' code: n equals each of its groups. Deviations: the text does not say how kinds go
together, so the first is ours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from expunge.circuits.gates import Circuit, Gate
from expunge.errors import ConfigError

Side = Literal["f", "r"]
Reading = Literal["together", "equal"]
REDUCED: Mapping[Side, Gate] = {"f": "or", "r": "and"}  # what an ADDER is


@dataclass
class Formula:
    """Clauses over numbered variables. A name is numbered when it is first asked for."""

    numbers: dict[str, int] = field(default_factory=dict)
    clauses: list[list[int]] = field(default_factory=list)

    def __getitem__(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers) + 1)

    def both(self, target: int, inputs: Sequence[int]) -> None:
        """target ↔ ∧ inputs."""
        self.clauses.append([*(-each for each in inputs), target])
        self.clauses += [[each, -target] for each in inputs]

    def either(self, target: int, inputs: Sequence[int]) -> None:
        """target ↔ ∨ inputs."""
        self.both(-target, [-each for each in inputs])

    def add(self, circuit: Circuit, side: Side, names: Mapping[str, str], reading: Reading) -> None:
        """One circuit, its nodes called as `names` says."""
        for node, groups in circuit.inputs.items():
            target, literals = self[names[node]], []
            for kind, gate, some in reduced(groups, side):
                inputs = [self[names[each]] for each in some]
                if reading == "equal":
                    (self.both if gate == "and" else self.either)(target, inputs)
                elif gate == "and" or len(inputs) == 1:
                    literals += inputs
                else:
                    literals.append(self[f"{names[node]} ({kind}, {names[circuit.output]})"])
                    self.either(literals[-1], inputs)
            if literals:
                self.both(target, literals)

    def dimacs(self, comments: Iterable[str] = ()) -> str:
        """The format of SAT solvers; comments tell which node a variable is."""
        lines = [f"c {line}" for line in comments] + [f"c {number} = {name}" for name, number in self.numbers.items()]
        lines.append(f"p cnf {len(self.numbers)} {len(self.clauses)}")
        return "\n".join([*lines, *(" ".join(map(str, [*clause, 0])) for clause in self.clauses)]) + "\n"


def reduced(groups: Mapping[Gate, Sequence[str]], side: Side) -> list[tuple[Gate, Gate, Sequence[str]]]:
    """(what it is, what it counts as, inputs) of each group. Two ORs of a node stay apart: n ↔ ∨ ∧ ∨ is not one ∨."""
    return [(gate, REDUCED[side] if gate == "adder" else gate, some) for gate, some in groups.items() if some]


def phi(forget: Circuit, retain: Sequence[Circuit], *, reading: Reading = "together") -> Formula:
    """Φ of the text: satisfiable exactly when no conflict is needed. Raises ConfigError for an empty circuit."""
    return _joined(forget, retain, reading, lambda name, side: name)


def apart(forget: Circuit, retain: Sequence[Circuit], *, reading: Reading = "together") -> Formula:
    """The same with a copy for each side: "f:NODE" and "r:NODE". Several retain circuits share theirs."""
    return _joined(forget, retain, reading, lambda name, side: f"{side}:{name}")


def _joined(
    forget: Circuit, retain: Sequence[Circuit], reading: Reading, called: Callable[[str, Side], str]
) -> Formula:
    check(forget, retain)
    formula = Formula()
    sides: list[tuple[Circuit, Side, str]] = [(forget, "f", "out_f")]
    for i, each in enumerate(retain):
        sides.append((each, "r", f"out_r{i + 1 if len(retain) > 1 else ''}"))
    for circuit, side, output in sides:
        names = {node: called(node, side) for node in circuit.nodes}
        for node in names.values():
            formula[node]
        formula.add(circuit, side, {**names, circuit.output: output}, reading)
        formula.clauses.append([formula[output] if side == "r" else -formula[output]])
    return formula


def check(forget: Circuit, retain: Sequence[Circuit]) -> None:
    """Raises ConfigError where there is nothing to reason about."""
    empty = [name for name, each in [("forget", forget), *(("retain", each) for each in retain)] if not each.nodes]
    if empty or not retain:
        raise ConfigError(
            f"the {empty[0] if empty else 'retain'} circuit is empty: no part of the network leads to its output. "
            "Ask for a higher faithfulness, or give contrasts that the model tells apart"
        )
