"""Gates: how the inputs of a node act together. Chen et al. 2025, arXiv:2505.10039; in CLUE, arXiv:2509.20977.

    AND   all inputs are needed     in noising only      Ns \\ Dn
    OR    any of them suffices      in denoising only    Dn \\ Ns
    ADDER they add up               in both              Ns ∩ Dn

Ns and Dn are the edges of the circuits found by noising and by denoising. Inner edges are ADDERs.

`lone`: a set that is as small as can be (edge pruning's) keeps one input of an OR in Ns, and one of an AND in Dn, which
the difference of the sets takes for an ADDER's. So where a node has inputs in one set only and exactly one in both,
that one belongs to the others. Sets of edges by their effect (attribution's) keep no such input: single effects of an
OR are 0 by noising for all its inputs alike, and what both directions find adds up.
`single`: a gate of one input is none, and counts among the ADDERs.

For the solver an ADDER is an OR in the circuit to be forgotten, an AND in those to be kept (the paper's reduction).
Deviations: the paper knows neither `lone`, which is ours, nor `single`, which is the authors' code (but for one input
beside exactly one of the other set, which the code leaves a gate); the embedding is nobody's gate: it is always there
and nothing in it is tuned; nodes that do not lead to the output are left out (authors' code: led to it by an ADDER
edge).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Edge = tuple[str, str]
EMBED, OUT = "embed", "out"  # what only writes, and what only reads
Gate = Literal["and", "or", "adder"]
GATES: tuple[Gate, ...] = ("and", "or", "adder")


@dataclass(frozen=True)
class Circuit:
    """Node → its inputs by gate. A node without an entry has no inputs: it is free."""

    inputs: Mapping[str, Mapping[Gate, tuple[str, ...]]]
    output: str = OUT

    @property
    def nodes(self) -> tuple[str, ...]:
        """All but the output, those that are read before those that read them."""
        return tuple(name for name in _ordered(self) if name != self.output)

    @property
    def edges(self) -> list[tuple[str, str, Gate]]:
        """(from, to, gate)."""
        return [(a, b, gate) for b, groups in self.inputs.items() for gate, some in groups.items() for a in some]


def circuit_of(
    ns: Iterable[Edge],
    dn: Iterable[Edge],
    *,
    order: Sequence[str],
    inner: Iterable[Edge] = (),
    lone: bool = False,
    single: bool = True,
    output: str = OUT,
) -> Circuit:
    """The circuit of two sets of edges. `order`: all nodes in the order of the network, which decides every other.

    An inner edge counts where a searched edge leads to its start, or where it starts what does not read the stream.
    """
    every = set(ns), set(dn)
    noised, denoised = ({edge for edge in some if EMBED not in edge} for some in every)
    found: dict[Edge, Gate] = {edge: gate_of(edge, noised, denoised) for edge in noised | denoised}
    found |= _moved(found, lone, single)
    reached = {to for _, to in every[0] | every[1]}  # also from the embedding
    found |= dict.fromkeys((edge for edge in inner if edge[0] in reached), "adder")
    place = {name: i for i, name in enumerate(order)}
    groups: dict[str, dict[Gate, list[str]]] = {}
    for source, target in sorted(found, key=lambda edge: (place[edge[1]], place[edge[0]])):
        groups.setdefault(target, {}).setdefault(found[source, target], []).append(source)
    settled: dict[str, dict[Gate, tuple[str, ...]]] = {
        to: {gate: tuple(some[gate]) for gate in GATES if gate in some} for to, some in groups.items()
    }
    return leading_to(settled, output, order)


def gate_of(edge: Edge, ns: Collection[Edge], dn: Collection[Edge]) -> Gate:
    """By the sets alone."""
    return "adder" if edge in ns and edge in dn else "and" if edge in ns else "or"


def _moved(found: Mapping[Edge, Gate], lone: bool, single: bool) -> dict[Edge, Gate]:
    """What belongs elsewhere: the only input that both directions found, the only one of an AND or OR."""
    by_target: dict[str, dict[Gate, list[Edge]]] = {}
    for edge, gate in found.items():
        by_target.setdefault(edge[1], {}).setdefault(gate, []).append(edge)
    moved: dict[Edge, Gate] = {}
    for groups in by_target.values():
        others: list[Gate] = [gate for gate in ("and", "or") if gate in groups]
        if lone and len(others) == 1 and len(groups.get("adder", ())) == 1:
            moved[groups["adder"][0]] = others[0]
        elif single:
            for gate in others:
                if len(groups[gate]) == 1:
                    moved[groups[gate][0]] = "adder"
    return moved


def leading_to(inputs: Mapping[str, Mapping[Gate, tuple[str, ...]]], output: str, order: Sequence[str]) -> Circuit:
    """Of the nodes with inputs those that the output depends on."""
    wanted, todo = {output}, [output]
    while todo:
        for some in inputs.get(todo.pop(), {}).values():
            todo += [name for name in some if name not in wanted]
            wanted.update(some)
    return Circuit({name: inputs[name] for name in order if name in wanted and name in inputs}, output)


def _ordered(circuit: Circuit) -> list[str]:
    """Inputs before what they lead to, by depth first from the output, without recursion."""
    found: dict[str, None] = {}
    stack = [(circuit.output, False)]
    while stack:
        name, done = stack.pop()
        if name in found:
            continue
        if done:
            found[name] = None
            continue
        stack.append((name, True))
        inputs = [each for some in circuit.inputs.get(name, {}).values() for each in some]
        stack += [(each, False) for each in reversed(inputs) if each not in found]
    return list(found)
