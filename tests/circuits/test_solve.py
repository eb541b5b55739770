"""The solver against all assignments, the cases of the specification, and what must not change a result."""

import os
import random
import subprocess
import sys
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.random_circuits import NAMES, Plan, assignments, drawn, made, plans, table
from expunge.circuits.cnf import Reading
from expunge.circuits.gates import Circuit, Gate, leading_to
from expunge.circuits.solve import STEPS, Solution, fewest_conflicts, satisfiable
from expunge.errors import ConfigError

pytest.importorskip("pysat")
OTHERS = ("c", "d", "e", "v", "w")
READINGS: tuple[Reading, ...] = ("together", "equal")
DAMAGES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.0, 0.125, 0.5, 1.0, 4.0]))


def gate(kind: Gate, *names: str) -> Circuit:
    return Circuit({"out": {kind: names}})


CASES = [
    (gate("and", "x", "y"), gate("and", "y", "z"), True, {"x"}, set(), {"y", "z"}),
    (gate("or", "x", "y"), gate("and", "y", "z"), False, {"x"}, {"y"}, {"z"}),
    (gate("or", "x", "y"), gate("or", "y", "z"), True, {"x", "y"}, set(), {"z"}),
    (gate("adder", "x", "y"), gate("adder", "y", "z"), False, {"x"}, {"y"}, {"z"}),
    (gate("and", "x", "y"), gate("and", "x", "y"), False, set(), {"y"}, {"x"}),
]


@pytest.mark.parametrize(("forget", "retain", "possible", "off", "conflict", "safe"), CASES)
def test_the_five_cases(
    forget: Circuit, retain: Circuit, possible: bool, off: set[str], conflict: set[str], safe: set[str]
) -> None:
    assert satisfiable(forget, [retain]) is possible
    found = fewest_conflicts(forget, [retain], backbones=True)
    assert found.satisfiable is possible
    assert (set(found.of("forget")), set(found.of("conflict")), set(found.of("safe"))) == (off, conflict, safe)
    tie = forget == retain
    assert found.certain == (set() if tie else {"x", "y", "z"})


def test_a_class_is_certain_though_values_are_not() -> None:
    """Either x or y is switched off, and p or q is off with it: but both stay nodes of the retain circuit alone."""
    retain = Circuit({"p": {"and": ("x",)}, "q": {"and": ("y",)}, "out": {"or": ("p", "q")}})
    found = fewest_conflicts(gate("and", "x", "y"), [retain], order="xypq", backbones=True)
    assert found.retain["p"] != found.retain["q"] and found.certain == {"p", "q"}
    # x and y are in conflict in every solution, whichever of their copies is off
    forget = Circuit({"x": {"and": ("a",)}, "y": {"and": ("b",)}, "out": {"or": ("x", "y")}})
    found = fewest_conflicts(forget, [gate("and", "x", "y")], backbones=True)
    assert found.of("conflict") == ["x", "y"] and found.certain == {"x", "y", "a", "b"}


def test_a_tie_is_broken_by_damage_then_by_place() -> None:
    both = gate("and", "x", "y")
    assert fewest_conflicts(both, [both], damage={"x": 0.1, "y": 0.9}).of("conflict") == ["x"]
    assert fewest_conflicts(both, [both], damage={"x": 0.9, "y": 0.1}).of("conflict") == ["y"]
    assert fewest_conflicts(both, [both], order=["y", "x"]).of("conflict") == ["x"]


def test_several_retain_circuits_agree() -> None:
    """y is wanted by the second only: what one side's circuits want together counts."""
    forget = gate("or", "x", "y")
    first, second = gate("or", "y", "z"), gate("and", "y", "w")
    assert satisfiable(forget, [first]) and not satisfiable(forget, [first, second])
    found = fewest_conflicts(forget, [first, second])
    assert found.of("conflict") == ["y"] and found.of("forget") == ["x"] and set(found.of("safe")) == {"z", "w"}


def every_best(forget: Circuit, retain: Circuit, damage: dict[str, float], reading: Reading) -> list[Solution]:
    """All solutions that are best down to level 3, the first of level 4 in front."""
    most = max((damage.get(name, 1.0) for name in forget.nodes), default=1.0) or 1.0
    weight = lambda name: 1 + round(STEPS * damage.get(name, 1.0) / most) if damage else 1
    ranked = []
    sides = assignments(forget, "f", reading), assignments(retain, "r", reading)
    for off, on in product(*map(list, sides)):
        differing = sum(off[name] != on[name] for name in off if name in on)
        level = (differing, -sum(on.values()), sum(weight(name) for name, value in off.items() if not value))
        place = [not off[name] for name in sorted(off)] + [not on[name] for name in sorted(on)]
        ranked.append((level, place, Solution(off, on, satisfiable=not differing)))
    ranked.sort(key=lambda each: each[:2])
    return [solution for level, _, solution in ranked if level == ranked[0][0]]


@settings(max_examples=50, deadline=None)
@given(off_plan=plans("abcde"), on_plan=plans(OTHERS), damage=DAMAGES, reading=st.sampled_from(READINGS))
def test_against_all_assignments(off_plan: Plan, on_plan: Plan, damage: dict[str, float], reading: Reading) -> None:
    forget, retain = made(off_plan), made(on_plan)
    expected = every_best(forget, retain, damage, reading)
    order = sorted({*NAMES, *OTHERS})
    found = fewest_conflicts(forget, [retain], damage=damage, order=order, reading=reading, backbones=True)
    assert (found.forget, found.retain, found.satisfiable) == (
        expected[0].forget, expected[0].retain, expected[0].satisfiable,
    )  # fmt: skip
    assert satisfiable(forget, [retain], reading=reading) == found.satisfiable == (not found.of("conflict"))
    assert found.certain == {name for name in found.classes if len({each.classes[name] for each in expected}) == 1}


def of_each(off: np.ndarray | None, on: np.ndarray | None) -> np.ndarray:
    """The class in every solution, by the definitions. A node of neither side has none."""
    if off is None:
        return np.array([] if on is None else ["safe"])
    conflict = np.zeros(len(off), bool) if on is None else off != on
    return np.where(conflict, "conflict", np.where(off, "safe", "forget"))


def _sum(columns: Iterable[np.ndarray]) -> np.ndarray:
    return np.sum(list(columns), axis=0)


ALL = "abcdefghijklmnop"  # sixteen, of which each side has up to twelve


@pytest.mark.parametrize("seed", range(24))
def test_against_all_assignments_of_twelve_nodes_a_side(seed: int) -> None:
    """All pairs of assignments as numbers, a bit a node: the first three levels are a number each, the fourth a place
    in the order of bits."""
    rng, reading = random.Random(seed), READINGS[seed % 2]
    own = [sorted(rng.sample(ALL, rng.randint(8, 12))) for _ in range(2)]
    circuits = [drawn(names, rng) for names in own]
    assert [sorted(each.nodes) for each in circuits] == own
    damage = {name: rng.choice((0.0, 0.25, 1.0)) for name in own[0]}
    off, on = (table(each, side, reading) for each, side in zip(circuits, ("f", "r")))
    bits = [_sum(each[name].astype(np.int32) << (15 - ALL.index(name)) for name in each) for each in (off, on)]
    both = sum(1 << (15 - ALL.index(name)) for name in set(own[0]) & set(own[1]))
    ones = np.array([bin(i).count("1") for i in range(2**16)], np.uint8)
    differing = ones[(bits[0][:, None] ^ bits[1][None]) & both]
    lost = _sum((1 + round(STEPS * damage[name] / (max(damage.values()) or 1))) * ~off[name] for name in off)
    left = _sum((~on[name]).astype(int) for name in on)
    few = np.argwhere(differing == differing.min())
    below = left[few[:, 1]] * (1 + STEPS * 13) + lost[few[:, 0]]
    best = few[below == below.min()]
    first = max(best.tolist(), key=lambda pair: (bits[0][pair[0]], bits[1][pair[1]]))
    found = fewest_conflicts(
        circuits[0], circuits[1:], damage=damage, order=ALL, reading=reading, backbones=True
    )  # fmt: skip
    assert len(found.of("conflict")) == differing.min() and found.satisfiable == (differing.min() == 0)
    assert satisfiable(circuits[0], circuits[1:], reading=reading) == found.satisfiable
    for side, values, chosen in ((0, off, found.forget), (1, on, found.retain)):
        assert chosen == {name: bool(values[name][first[side]]) for name in values}
    both = [
        [(values[name][best[:, i]] if name in values else None) for i, values in enumerate((off, on))] for name in ALL
    ]
    assert found.certain == {name for name, sides in zip(ALL, both) if len(set(of_each(*sides))) == 1}


@settings(max_examples=20, deadline=None)
@given(off_plan=plans("abc"), on_plan=plans("xyz"))
def test_circuits_without_a_common_node_have_no_conflict(off_plan: Plan, on_plan: Plan) -> None:
    forget, retain = made(off_plan), made(on_plan)
    found = fewest_conflicts(forget, [retain])
    assert found.satisfiable and not found.of("conflict") and found.of("forget")
    assert set(retain.nodes) <= set(found.of("safe"))


@settings(max_examples=20, deadline=None)
@given(off_plan=plans("abcde"), on_plan=plans(OTHERS))
def test_the_reductions_of_adders(off_plan: Plan, on_plan: Plan) -> None:
    """An ADDER of the forget circuit is an OR, one of a retain circuit an AND: written so, nothing changes."""
    forget, retain = made(off_plan), made(on_plan)

    def rewritten(circuit: Circuit, as_what: Gate) -> Circuit | None:
        inputs: dict[str, dict[Gate, tuple[str, ...]]] = {}
        for name, groups in circuit.inputs.items():
            if "adder" in groups and as_what in groups and as_what == "or":
                return None  # two ORs of one node are not one
            merged = {g: s for g, s in groups.items() if g != "adder"}
            if "adder" in groups:
                merged[as_what] = (*merged.get(as_what, ()), *groups["adder"])
            inputs[name] = merged
        return Circuit(inputs)

    one, other = rewritten(forget, "or"), rewritten(retain, "and")
    if one is not None and other is not None:
        order = sorted({*"abcde", *OTHERS})
        assert fewest_conflicts(one, [other], order=order) == fewest_conflicts(forget, [retain], order=order)


def shuffled(circuit: Circuit, rng: random.Random) -> Circuit:
    def mixed(some: dict) -> dict:
        pairs = list(some.items())
        rng.shuffle(pairs)
        return dict(pairs)

    inputs = {
        n: mixed({g: tuple(rng.sample(s, len(s))) for g, s in groups.items()}) for n, groups in circuit.inputs.items()
    }
    return Circuit(mixed(inputs))


@settings(max_examples=20, deadline=None)
@given(off_plan=plans("abcdef"), on_plan=plans(NAMES), seed=st.integers(0, 99))
def test_the_order_of_edges_changes_nothing(off_plan: Plan, on_plan: Plan, seed: int) -> None:
    forget, retain = made(off_plan), made(on_plan)
    rng = random.Random(seed)
    one = fewest_conflicts(forget, [retain], order=NAMES)
    other = fewest_conflicts(shuffled(forget, rng), [shuffled(retain, rng)], order=NAMES)
    assert (one.forget, one.retain) == (other.forget, other.retain)


def large(count: int, seed: int, kinds: tuple[Gate, ...]) -> Circuit:
    rng = random.Random(seed)
    names = [f"n{i:03}" for i in range(count)]
    inputs = {}
    for i in range(1, count):
        groups: dict[Gate, tuple[str, ...]] = {}
        for each in rng.sample(names[:i], min(i, rng.randint(0, 3))):
            kind = rng.choice(kinds)
            groups[kind] = (*groups.get(kind, ()), each)
        if groups:
            inputs[names[i]] = groups
    inputs["out"] = {kinds[0]: tuple(names[-10:])}
    return leading_to(inputs, "out", [*names, "out"])


def test_the_hash_seed_changes_nothing() -> None:
    code = (
        "from circuits.test_solve import large\nfrom expunge.circuits.solve import fewest_conflicts\n"
        "found = fewest_conflicts(large(80, 1, ('or', 'adder', 'and')), [large(80, 2, ('and', 'adder', 'or'))],"
        " backbones=True)\nprint(found.classes, sorted(found.certain))"
    )
    path = os.pathsep.join([*sys.path])
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1] and "conflict" in said[0]


def test_nothing_to_solve_says_so() -> None:
    with pytest.raises(ConfigError, match="forget circuit is empty"):
        fewest_conflicts(Circuit({}), [gate("and", "x")])
    with pytest.raises(ConfigError, match="retain circuit is empty"):
        satisfiable(gate("and", "x"), [])
