"""The part of a record that tells of circuits: nodes, edges with their gates, classes, and why.

Circuits
├── nodes: [NodeInfo]          in the order of the network
├── circuits: [CircuitInfo]    of the forget set, then of each retain set: edges, curves
├── off, on                    node → kept or not, in the forget circuit and in the retain circuits
├── classes, certain           node → "forget", "conflict" or "safe"; those that are so in every best solution
└── why: [Reason]              of chosen nodes, how their values follow from the output
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

Gate = Literal["and", "or", "adder"]
Class = Literal["forget", "conflict", "safe"]
CLASSES: tuple[Class, ...] = ("forget", "conflict", "safe")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class NodeInfo(_Part):
    """A part of the network."""

    name: str
    layer: int
    kind: str
    weights: int


class EdgeInfo(_Part):
    """An edge of a circuit. The scores are None where it was not searched for: within an attention or MLP."""

    source: str
    target: str
    gate: Gate
    noising: float | None = None
    denoising: float | None = None


class CurvePoint(_Part):
    """A size of a circuit: what it recovers, and the mean KL in nats."""

    edges: int
    recovered: float
    divergence: float


class Curve(_Part):
    """One direction of a search."""

    chosen: int  # edges
    recovered: float | None  # by the chosen ones; None: an older record, in which what patching moved was not measured
    reached: bool  # the faithfulness, where a size was asked for as well
    near: int = 0  # edges whose score is within a factor of 2 of the threshold
    confirmed: int = 0  # those of them that were patched exactly
    points: tuple[CurvePoint, ...] = ()


class CircuitInfo(_Part):
    """One set's circuit."""

    title: str
    pairs: int  # that the model tells apart
    offered: int  # that were made
    possible: int  # edges of the graph
    edges: tuple[EdgeInfo, ...]
    curves: Mapping[Literal["noising", "denoising"], Curve] = {}


class Step(_Part):
    """A node on the way from the output to the node that is explained, and the inputs that its value follows from."""

    node: str
    value: bool
    gate: Gate | None = None  # by which the next one leads here
    inputs: Mapping[str, bool] = {}  # of that gate


class Reason(_Part):
    """Why a node has its value on one side. No steps: nothing asks for it, a tie was broken, or it is in no circuit."""

    node: str
    side: Literal["forget", "retain"] | None  # None: it is in no circuit, so it is kept
    value: bool
    steps: tuple[Step, ...] = ()


class Circuits(_Part):
    """Forget circuit, retain circuits, and what follows."""

    granularity: str
    nodes: tuple[NodeInfo, ...]
    circuits: tuple[CircuitInfo, ...]
    satisfiable: bool  # everything of the forget set can be switched off without a conflict
    off: Mapping[str, bool]
    on: Mapping[str, bool]
    classes: Mapping[str, Class]
    certain: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()

    def of(self, which: Class) -> list[str]:
        """The nodes of a class."""
        return [name for name, found in self.classes.items() if found == which]

    def weights(self, which: Class) -> int:
        """The weights of a class's nodes."""
        return sum(node.weights for node in self.nodes if self.classes.get(node.name) == which)
