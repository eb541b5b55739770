"""The graph of a network: what writes into the residual stream, what reads from it, and which weights each is.

    matrices   q k v o gate up down of each layer (the paper's nodes): o and down write, the others read
    heads      q and o of each head, k and v of each key-value head, the MLP, which reads and writes
    neurons    as heads, and the MLP in groups of neurons

The embedding writes, the final norm ("out") reads. An edge leads from a writer to every reader above it. Within an
attention or MLP what reads leads to what writes; such inner edges are not searched for, they are there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Bool
from torch import Tensor

from expunge.circuits.gates import EMBED, OUT, Edge
from expunge.errors import ConfigError
from expunge.localize.units import matrices
from expunge.mask import Mask
from expunge.models.layout import Layout, Part
from expunge.models.model import Model
from expunge.models.outline import Outline
from expunge.parameters import parameters_of

SHORT = {"query": "q", "key": "k", "value": "v", "output": "o"}


@dataclass(frozen=True)
class Node:
    """`ports` are outputs of layers that read the residual stream, `outlet` inputs of the layer that writes to it."""

    name: str
    layer: int  # -1: the embedding; the depth: out
    kind: str
    ports: tuple[Part, ...] = ()
    outlet: tuple[Part, ...] = ()
    reads: int | None = None  # when: it sees what was written before
    writes: int | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its weights."""
        return self.ports + self.outlet


@dataclass(frozen=True)
class Graph:
    """The nodes in the order of the network, and the edges within attentions and MLPs."""

    granularity: str
    nodes: tuple[Node, ...]
    inner: tuple[Edge, ...]

    @cached_property
    def named(self) -> Mapping[str, Node]:
        """Name → node."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def writers(self) -> tuple[Node, ...]:
        """In the order of writing."""
        return tuple(node for node in self.nodes if node.writes is not None)

    @cached_property
    def readers(self) -> tuple[Node, ...]:
        """In the order of reading; `out` is the last."""
        return tuple(node for node in self.nodes if node.reads is not None)

    @cached_property
    def possible(self) -> Bool[Tensor, "writers readers"]:
        """Which edges there are."""
        return torch.tensor([[w.writes < r.reads for r in self.readers] for w in self.writers])  # type: ignore[operator]

    def edges(self, chosen: Bool[Tensor, "writers readers"]) -> Iterator[Edge]:
        """Names of the chosen edges, in the order of the network."""
        for writer, reader in (chosen & self.possible).nonzero().tolist():
            yield self.writers[writer].name, self.readers[reader].name

    def mask(self, model: Model, names: Sequence[str]) -> Mask:
        """The weights of some nodes. Raises ConfigError for a name that there is not."""
        found: dict[tuple[str, int], set[int]] = {}
        for name in names:
            if name not in self.named:
                raise ConfigError(f"no node called {name!r} at granularity {self.granularity!r}")
            for part in self.named[name].parts:
                found.setdefault((part.parameter, part.axis), set()).update(range(part.slice.start, part.slice.stop))
        shapes = {name: tuple(weight.shape) for name, weight in parameters_of(model).items()}
        return Mask(shapes, {name: (axis, sorted(index)) for (name, axis), index in found.items()})


def graph_of(model: Model | Outline, granularity: str = "matrices", *, groups: int = 8) -> Graph:
    """The graph of a model. `groups`: of how many neurons' groups an MLP consists, at granularity "neurons".

    Raises ConfigError for a granularity that there is not.
    """
    if granularity not in GRANULARITIES:
        raise ConfigError(f"no granularity called {granularity!r}. Known: {', '.join(GRANULARITIES)}")
    layout = model.layout
    parallel = getattr(model.network.config, "use_parallel_residual", False)  # GPT-NeoX: the MLP sees no attention
    attention, mlp = GRANULARITIES[granularity]
    nodes, inner = [Node(EMBED, -1, EMBED, writes=-1)], []
    for layer in range(layout.depth):
        for at, make in ((2 * layer, attention), (2 * layer + (not parallel), mlp)):
            some, within = make(layout, layer, at, groups)
            nodes += some
            inner += within
    nodes.append(Node(OUT, layout.depth, OUT, reads=2 * layout.depth))
    return Graph(granularity, tuple(nodes), tuple(inner))


Made = tuple[list[Node], list[Edge]]
Maker = Callable[[Layout, int, int, int], Made]


def _as_matrices(layout: Layout, layer: int, at: int, kinds: Sequence[str], last: str) -> Made:
    """Every matrix a node; all but the last read, and lead to it."""
    parts = {kind: found for kind, found in matrices(layout, layer).items() if kind in (*kinds, last)}
    name = {kind: f"{layer}.{SHORT.get(kind, kind)}" for kind in parts}
    nodes = [
        Node(name[kind], layer, SHORT.get(kind, kind), ports=tuple(found), reads=at)
        for kind, found in parts.items() if kind != last
    ]  # fmt: skip
    inner = [(node.name, name[last]) for node in nodes]
    end = Node(name[last], layer, SHORT.get(last, last), outlet=tuple(parts[last]), writes=at)
    return [*nodes, end], inner


def _attention_matrices(layout: Layout, layer: int, at: int, groups: int) -> Made:
    return _as_matrices(layout, layer, at, ("query", "key", "value"), "output")


def _mlp_matrices(layout: Layout, layer: int, at: int, groups: int) -> Made:
    return _as_matrices(layout, layer, at, ("gate", "up"), "down")


def _heads(layout: Layout, layer: int, at: int, groups: int) -> Made:
    nodes, inner = [], []
    for role, every in (("query", 1), ("key", layout.groups), ("value", layout.groups)):
        for head in range(0, layout.heads, every):
            parts = tuple(layout.head_slices(layer, head, (role,)))  # type: ignore[arg-type]
            name = f"{layer}.{SHORT[role]}.{head // every}"
            nodes.append(Node(name, layer, SHORT[role], ports=parts, reads=at))
            inner += [(name, f"{layer}.o.{served}") for served in range(head, head + every)]
    for head in range(layout.heads):
        parts = tuple(layout.head_slices(layer, head, ("output",)))
        nodes.append(Node(f"{layer}.o.{head}", layer, "o", outlet=parts, writes=at))
    return nodes, inner


def _neurons(layout: Layout, layer: int, at: int, groups: int) -> Made:
    """The MLP in groups of neurons one after the other, as equal as can be."""
    bounds = [round(layout.d_ff * i / groups) for i in range(groups + 1)]
    nodes = []
    for i, (start, stop) in enumerate(pairwise(bounds)):
        ports = tuple(
            Part(part.parameter, part.axis, slice(part.slice.start + start, part.slice.start + stop))
            for part in layout.mlp_in(layer).values()
        )
        outlet = (Part(*layout.value_vectors(layer), slice(start, stop)),)
        name = f"{layer}.mlp" if groups == 1 else f"{layer}.mlp.{i}"
        nodes.append(Node(name, layer, "mlp", ports=ports, outlet=outlet, reads=at, writes=at))
    return nodes, []


def _mlp(layout: Layout, layer: int, at: int, groups: int) -> Made:
    return _neurons(layout, layer, at, 1)


GRANULARITIES: Mapping[str, tuple[Maker, Maker]] = {
    "matrices": (_attention_matrices, _mlp_matrices), "heads": (_heads, _mlp), "neurons": (_heads, _neurons),
}  # fmt: skip
