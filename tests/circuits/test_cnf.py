"""Formulas against the gates' definitions, and the file of one by hand."""

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.random_circuits import Plan, assignments, drawn, made, plans, table
from expunge.circuits.cnf import Formula, Reading, Side, apart, phi
from expunge.circuits.gates import Circuit
from expunge.errors import ConfigError

pytest.importorskip("pysat")
from pysat.solvers import Solver

SIDES: tuple[Side, ...] = ("f", "r")
READINGS: tuple[Reading, ...] = ("together", "equal")


@settings(max_examples=40, deadline=None)
@given(plan=plans("abcde"), side=st.sampled_from(SIDES), reading=st.sampled_from(READINGS))
def test_tseitin_is_gate_evaluation(plan: Plan, side: Side, reading: Reading) -> None:
    """The formula, auxiliary variables aside, has exactly the assignments that the gates allow."""
    circuit = made(plan)
    formula = Formula()
    names = {name: name for name in (*circuit.nodes, "out")}
    for name in circuit.nodes:
        formula[name]
    formula.add(circuit, side, names, reading)
    formula.clauses.append([formula["out"] if side == "r" else -formula["out"]])
    allowed = {tuple(each.values()) for each in assignments(circuit, side, reading)}
    with Solver(name="cadical153", bootstrap_with=formula.clauses) as solver:
        for bits in product((False, True), repeat=len(circuit.nodes)):
            literals = [formula[name] if bit else -formula[name] for name, bit in zip(circuit.nodes, bits)]
            assert solver.solve(assumptions=literals) == (bits in allowed)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("seed", range(4))
def test_tseitin_is_gate_evaluation_of_twelve_nodes(side: Side, seed: int) -> None:
    circuit, reading = drawn("abcdefghijkl", Random(seed)), READINGS[seed % 2]
    formula = Formula()
    numbers = [formula[name] for name in circuit.nodes]
    formula.add(circuit, side, {name: name for name in (*circuit.nodes, "out")}, reading)
    formula.clauses.append([formula["out"] if side == "r" else -formula["out"]])
    values = table(circuit, side, reading)
    allowed = set(zip(*(values[name].tolist() for name in circuit.nodes)))
    assert len(numbers) == 12 and allowed
    with Solver(name="cadical153", bootstrap_with=formula.clauses) as solver:
        for bits in product((False, True), repeat=12):
            literals = [number if bit else -number for number, bit in zip(numbers, bits)]
            assert solver.solve(assumptions=literals) == (bits in allowed)


def test_the_clauses_of_the_paper() -> None:
    """C = A ∧ B and C = A ∨ B as it prints them."""
    formula = Formula()
    a, b, c = (formula[name] for name in "abc")
    formula.both(c, [a, b])
    assert {frozenset(each) for each in formula.clauses} == {frozenset(e) for e in ((-a, -b, c), (a, -c), (b, -c))}
    formula.clauses.clear()
    formula.either(c, [a, b])
    assert {frozenset(each) for each in formula.clauses} == {frozenset(e) for e in ((a, b, -c), (-a, c), (-b, c))}


def test_the_file() -> None:
    one, other = Circuit({"out": {"and": ("x", "y")}}), Circuit({"out": {"or": ("y", "z")}})
    lines = phi(one, [other]).dimacs(["two circuits"]).splitlines()
    assert lines == [
        "c two circuits", "c 1 = x", "c 2 = y", "c 3 = out_f", "c 4 = z", "c 5 = out_r", "c 6 = out_r (or, out_r)",
        "p cnf 6 10",
        "-1 -2 3 0", "1 -3 0", "2 -3 0", "-3 0", "2 4 -6 0", "-2 6 0", "-4 6 0", "-6 5 0", "6 -5 0", "5 0",
    ]  # fmt: skip


def test_apart_the_sides_share_nothing() -> None:
    one = Circuit({"out": {"and": ("x", "y")}})
    formula = apart(one, [one])
    assert {"f:x", "r:x", "f:y", "r:y", "out_f", "out_r"} <= set(formula.numbers)


def test_empty_circuits_say_so() -> None:
    one = Circuit({"out": {"and": ("x",)}})
    with pytest.raises(ConfigError, match="forget circuit is empty"):
        phi(Circuit({}), [one])
    for retain in ([Circuit({})], []):
        with pytest.raises(ConfigError, match="retain circuit is empty"):
            phi(one, retain)
