"""Which nodes to keep and which to switch off: SAT and, exactly, the fewest conflicts. CLUE, arXiv:2509.20977.

`satisfiable`: is there one assignment under which the forget circuit is off and all retain circuits are on (CaDiCaL)?
`fewest_conflicts`: if there is none, the least that must differ. Every side has a copy x^f, x^r of its nodes; hard are
both sides' gates and outputs, soft, each level above all below it:

    1  x^f ↔ x^r   for nodes of both sides             as few conflicts as can be
    2  x^r = 1     for nodes of the retain circuits    as little of them off as can be
    3  x^f = 1     for nodes of the forget circuit, weighted by what the retain set loses with the node
    4  what is first in the network is on              one solution, whatever the order of edges

    conflict  x^f ≠ x^r        forget  x^f = 0, no conflict        safe  everything else

MaxSAT by RC2 (Ignatiev, Morgado and Marques-Silva 2019) on a stratified formula. The text runs a CDCL solver and takes
the nodes that are inconsistent between clauses for conflicts; its code searches all 2^N assignments for the least
Hamming distance, which is level 1. Deviations: levels 2 to 4 are ours; the text leaves ties open.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from expunge.circuits.cnf import Formula, Reading, apart, phi
from expunge.circuits.gates import Circuit
from expunge.errors import MissingExtraError
from expunge.record_circuits import Class

STEPS = 1000  # levels of weights: what the retain set loses is rounded to a thousandth of the most


@dataclass(frozen=True)
class Solution:
    """x of each node, on each side that has it."""

    forget: Mapping[str, bool]  # x^f
    retain: Mapping[str, bool]  # x^r
    satisfiable: bool  # no conflict is needed
    certain: frozenset[str] = frozenset()  # nodes whose class is the same in all solutions as good down to level 3

    @property
    def classes(self) -> dict[str, Class]:
        """Every node of either side."""
        both = {**self.forget, **self.retain}
        return {name: class_of(self.forget.get(name), self.retain.get(name)) for name in both}

    def of(self, which: Class) -> list[str]:
        """The nodes of a class, in the order of the network."""
        return [name for name, found in self.classes.items() if found == which]


def class_of(off: bool | None, on: bool | None) -> Class:
    """By x^f and x^r; None for a side that does not have the node."""
    if off is not None and on is not None and off != on:
        return "conflict"
    return "forget" if off is False else "safe"


def satisfiable(forget: Circuit, retain: Sequence[Circuit], *, reading: Reading = "together") -> bool:
    """Whether Φ has a solution."""
    formula = phi(forget, retain, reading=reading)
    with _solver(formula.clauses) as solver:
        return bool(solver.solve())


def fewest_conflicts(
    forget: Circuit,
    retain: Sequence[Circuit],
    *,
    damage: Mapping[str, float] | None = None,
    order: Sequence[str] = (),
    reading: Reading = "together",
    backbones: bool = False,
) -> Solution:
    """The solution. `damage`: node → what the retain set loses without it (1 where nothing is said); `order`: all nodes
    as they come in the network. `backbones` also says which classes hold in every solution that is as good.

    Raises ConfigError for an empty circuit.
    """
    formula = apart(forget, retain, reading=reading)
    off = list(forget.nodes)
    on = list(dict.fromkeys(name for each in retain for name in each.nodes))
    if order:
        place = {name: i for i, name in enumerate(order)}
        off, on = (sorted(some, key=place.__getitem__) for some in (off, on))
    soft = _soft(formula, off, on, damage or {})
    literals = [formula[f"f:{name}"] for name in off] + [formula[f"r:{name}"] for name in on]
    with _optimizer(formula, soft) as optimizer:
        best = (
            optimizer.compute()
        )  # there is one: a side's nodes all off, or all on, fit every gate, which negates none
        assert best is not None, "the hard clauses have no solution"
        cost = optimizer.cost
        oracle, optimal = optimizer.oracle, list(optimizer.sels) + list(optimizer.sums)
        certain = _certain(oracle, optimal, formula, off, on) if backbones else frozenset()
        chosen = _first(oracle, optimal, literals, set(optimizer.model))
    value = dict(zip([*(("f", n) for n in off), *(("r", n) for n in on)], chosen, strict=True))
    solution = Solution(
        {name: value["f", name] for name in off}, {name: value["r", name] for name in on},
        satisfiable=not any(value["f", name] != value["r", name] for name in off if ("r", name) in value),
        certain=certain,
    )  # fmt: skip
    assert _cost(solution, soft, formula) == cost, "the refined solution is not as good"
    return solution


Soft = list[tuple[list[int], int]]


def _soft(formula: Formula, off: Sequence[str], on: Sequence[str], damage: Mapping[str, float]) -> Soft:
    """Clauses and weights of levels 1 to 3; a level's unit is more than all that is below it."""
    most = max((damage.get(name, 1.0) for name in off), default=1.0) or 1.0
    lost = {name: 1 + round(STEPS * max(0.0, damage.get(name, 1.0)) / most) for name in off}
    if not damage:
        lost = dict.fromkeys(off, 1)
    third = 1 + sum(lost.values())
    second = third * (1 + len(on))
    kept = set(on)
    soft: Soft = []
    for name in off:
        one, other = formula[f"f:{name}"], formula[f"r:{name}"] if name in kept else 0
        if other:
            same = formula[f"same:{name}"]
            formula.clauses += [[-same, -one, other], [-same, one, -other]]
            soft.append(([same], second))
    soft += [([formula[f"r:{name}"]], third) for name in on]
    return soft + [([formula[f"f:{name}"]], lost[name]) for name in off]


def _cost(solution: Solution, soft: Soft, formula: Formula) -> int:
    """What the solution pays."""
    true = {formula[f"f:{name}"] for name, value in solution.forget.items() if value}
    true |= {formula[f"r:{name}"] for name, value in solution.retain.items() if value}
    shared = [name for name in solution.forget if name in solution.retain]
    true |= {formula[f"same:{name}"] for name in shared if solution.forget[name] == solution.retain[name]}
    return sum(weight for (literal,), weight in soft if literal not in true)


def _first(oracle: Any, optimal: list[int], literals: Sequence[int], model: set[int]) -> list[bool]:
    """Among the best solutions that in which what comes first is on, as far as it can be."""
    fixed = list(optimal)
    _, implied = oracle.propagate(assumptions=fixed)
    settled = set(implied)
    for literal in literals:
        open_ = literal not in settled and -literal not in settled
        if open_ and literal not in model and oracle.solve(assumptions=[*fixed, literal]):
            model = set(oracle.get_model())
        fixed.append(literal if literal in model else -literal)
    return [literal in model for literal in literals]


def _certain(
    oracle: Any, optimal: list[int], formula: Formula, off: Sequence[str], on: Sequence[str]
) -> frozenset[str]:
    """Nodes with one class in all of the best solutions: the solver has none in which they are of another."""
    kept = set(on)
    sides = {name: (formula[f"f:{name}"], formula[f"r:{name}"] if name in kept else None) for name in off}
    oracle.solve(assumptions=optimal)
    first = _classes(oracle, sides)
    _, implied = oracle.propagate(assumptions=optimal)
    settled, varied = set(implied), set()
    for name in off:
        if name in varied:  # another solution has shown it
            continue
        for literal in _otherwise(formula, name, first[name], sides[name]):
            if -literal not in settled and oracle.solve(assumptions=[*optimal, literal]):
                varied |= {each for each, found in _classes(oracle, sides).items() if found != first[each]}
                break
    return frozenset({*off, *on} - varied)  # what is in retain circuits only is always safe


def _otherwise(formula: Formula, name: str, own: Class, sides: tuple[int, int | None]) -> list[int]:
    """Literals of which one is true wherever a node is of another class than its own."""
    if own == "conflict":
        return [formula[f"same:{name}"]]
    return [literal if own == "forget" else -literal for literal in sides if literal is not None]


def _classes(oracle: Any, sides: Mapping[str, tuple[int, int | None]]) -> dict[str, Class]:
    """In the model that was found last."""
    model = set(oracle.get_model())
    return {name: class_of(f in model, None if r is None else r in model) for name, (f, r) in sides.items()}


@contextmanager
def _solver(clauses: Sequence[Sequence[int]]) -> Iterator[Any]:
    try:
        from pysat.solvers import Solver
    except ImportError:
        raise MissingExtraError("python-sat", "clue") from None
    with Solver(name="cadical153", bootstrap_with=clauses) as solver:
        yield solver


@contextmanager
def _optimizer(formula: Formula, soft: Soft) -> Iterator[Any]:
    try:
        from pysat.examples.rc2 import RC2Stratified
        from pysat.formula import WCNF
    except ImportError:
        raise MissingExtraError("python-sat", "clue") from None
    weighted = WCNF()
    weighted.extend(formula.clauses)
    for clause, weight in soft:
        weighted.append(clause, weight=weight)
    with RC2Stratified(weighted, solver="g3", adapt=True, exhaust=True, incr=False, minz=True) as optimizer:
        yield optimizer
