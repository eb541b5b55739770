"""Runs in which single edges carry what they carried in another run.

    r_v = x - Σ_u (1 - m_uv) (x_u - x'_u)         x: the residual stream where v reads, x_u: what u has written into it

x' is the other run, of a prompt with as many tokens; m_uv = 1 leaves an edge as it is, 0 patches it, what is between
mixes. v alone reads r_v, through its own copy of the norm and its own rows of the projection, so what one reader is
given changes nothing for another. With all m = 0 the outcome is the other run's. Where a norm stands between attention
or MLP and the stream (Gemma 2, OLMo 2) a head's share is taken at that norm's scale, so that shares add up.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.circuits.graph import Graph, Node
from expunge.data.forest import Forest
from expunge.models.layout import PLACES, Part, Place
from expunge.models.model import Model
from expunge.models.resuming import blocks_seen
from expunge.models.scoring import forward
from expunge.models.watching import module_at

Written = Float[Tensor, "writers nodes width"]


@dataclass
class Wires:
    """What is done in one pass, and what was seen in it. For one pass only."""

    keep: Float[Tensor, "writers readers"] | None = None  # m, read where there is an edge; None: nothing is patched
    other: Written | None = None  # x'_u
    without: tuple[int, Float[Tensor, "nodes width"]] | None = None  # reader and x_u - x'_u: one edge is patched
    start: Float[Tensor, "nodes width"] | None = None  # stands in for what the first block reads
    watch: bool = False  # collect `reads`, tensors of their own that what follows depends on
    collect: bool = False  # keep `written`
    written: list[Tensor] = field(default_factory=list)  # [n, nodes, width] at a time, in the order of the writers
    reads: dict[int, list[Tensor]] = field(default_factory=dict)  # reader → r_v, once for each projection
    _changes: list[Tensor] = field(default_factory=list)  # x_u - x'_u, as `written`

    @property
    def writes(self) -> bool:
        """Whether anybody wants to know what is written."""
        return self.collect or self.keep is not None

    def write(self, shares: Float[Tensor, "some nodes width"]) -> None:
        """What the next writers add to the stream."""
        if self.collect:
            self.written.append(shares)
        if self.keep is not None and self.other is not None:
            first = sum(map(len, self._changes))
            self._changes.append(shares - self.other[first : first + len(shares)])

    def given(self, readers: Sequence[int], stream: Float[Tensor, "nodes width"]) -> dict[int, Tensor]:
        """Reader → r_v, those left out that read the stream as it is."""
        if self.without is not None:
            reader, change = self.without
            return {reader: stream - change} if reader in readers else {}
        if self.keep is None:
            return dict.fromkeys(readers, stream) if self.watch else {}
        off = 1 - self.keep[: sum(map(len, self._changes)), list(readers)]
        some = [i for i in range(len(readers)) if off.requires_grad or self.watch or bool(off[:, i].any())]
        if not some:
            return {}
        changes = torch.cat(self._changes)
        taken = (off[:, some].T.to(changes) @ changes.flatten(1)).view(len(some), *stream.shape)
        return {readers[i]: stream - each for i, each in zip(some, taken)}

    def seen(self, reader: int, read: Tensor) -> Tensor:
        """The same, as a tensor that can be asked for its gradient."""
        if not self.watch:
            return read
        self.reads.setdefault(reader, []).append(read.view_as(read))
        return self.reads[reader][-1]


def run(model: Model, graph: Graph, forest: Forest, wires: Wires) -> Float[Tensor, "tokens vocab"]:
    """The logits at the answers, of one pass under the wires."""
    with wired(model, graph, wires):
        logits = forward(model, forest, logits=True).logits
    assert logits is not None
    return logits


@torch.no_grad()
def written_by(model: Model, graph: Graph, forest: Forest) -> tuple[Written, Float[Tensor, "tokens vocab"], list[Any]]:
    """x_u of every writer in a plain run, its logits, and what each block gives, from which other runs go on."""
    wires = Wires(collect=True)
    with blocks_seen(model) as blocks:
        logits = run(model, graph, forest, wires)
    return torch.cat(wires.written), logits, blocks


@contextmanager
def wired(model: Model, graph: Graph, wires: Wires) -> Iterator[None]:
    """Within the block a pass goes by the wires."""
    layout, readers = model.layout, {node.name: i for i, node in enumerate(graph.readers)}
    if wires.keep is not None:  # in a parallel block the attention has written when the MLP reads, but not to it
        wires.keep = torch.where(graph.possible.to(wires.keep.device), wires.keep, 1.0)
    with ExitStack() as stack:
        hook = lambda module, call: stack.callback(module.register_forward_hook(call).remove)
        before = lambda module, call: stack.callback(module.register_forward_pre_hook(call).remove)
        before(module_at(model, layout.block(0)), partial(_start, wires))
        for layer in range(layout.depth):
            for place in PLACES:
                nodes = [node for node in graph.nodes if node.layer == layer and _stands(node, place)]
                norm = layout.reading_norm(layer, place)
                numbers = [readers[node.name] for node in nodes if node.ports]
                source = _Source(wires, numbers, module_at(model, norm) if norm else None)
                if source.norm is not None:
                    before(source.norm, source.look)
                for path, ports in _by_module(nodes).items():
                    module, some = module_at(model, path), [(readers[node.name], parts) for node, parts in ports]
                    if _is_whole(module, some):
                        before(module, partial(_feed, source, some[0][0]))
                    else:
                        hook(module, partial(_read, source, some))
                if wires.writes:
                    for module, call in _writing(model, wires, layer, place, [node for node in nodes if node.outlet]):
                        hook(module, call)
        before(module_at(model, layout.final_norm), partial(_end, wires, len(readers) - 1))
        yield


class _Source:
    """The residual stream where the attention or the MLP of a block reads it."""

    def __init__(self, wires: Wires, readers: Sequence[int], norm: nn.Module | None) -> None:
        self.wires, self.readers, self.norm = wires, readers, norm
        self.given: dict[int, Tensor] | None = None

    def look(self, _: nn.Module, inputs: Any) -> None:
        if self.given is None:  # a block without a norm looks once for each projection
            self.given = self.wires.given(self.readers, inputs[0].flatten(0, -2))

    def read(self, reader: int) -> Tensor | None:
        """What the projection gets in place of its input; None: that itself."""
        assert self.given is not None
        if reader not in self.given:
            return None
        read = self.wires.seen(reader, self.given[reader])
        return read if self.norm is None else self.norm.forward(read)  # not by a call, which would look again


def _start(wires: Wires, _: nn.Module, inputs: Any) -> Any:
    state = inputs[0] if wires.start is None else wires.start.to(inputs[0]).view_as(inputs[0])
    if wires.writes:
        wires.write(state.flatten(0, -2)[None])
    return (state, *inputs[1:])


def _end(wires: Wires, reader: int, _: nn.Module, inputs: Any) -> Any:
    given = wires.given([reader], inputs[0].flatten(0, -2))
    return (wires.seen(reader, given[reader]).view_as(inputs[0]), *inputs[1:]) if given else None


def _is_whole(module: Any, ports: Sequence[tuple[int, list[Part]]]) -> bool:
    """Whether a projection has one reader, which reads through all of it."""
    sizes = [part.slice.stop - part.slice.start for part in ports[0][1]]
    return len(ports) == 1 and sum(sizes) == module.weight.shape[ports[0][1][0].axis]


def _feed(source: _Source, reader: int, module: nn.Module, inputs: Any) -> Any:
    """A projection with one reader gets what this reads, so that it is computed once."""
    if source.norm is None:
        source.look(module, inputs)
    read = source.read(reader)
    return None if read is None else (read.view_as(inputs[0]), *inputs[1:])


def _read(
    source: _Source, readers: Sequence[tuple[int, list[Part]]], module: nn.Module, inputs: Any, output: Tensor
) -> Tensor | None:
    """A projection whose rows read each for itself."""
    if source.norm is None:
        source.look(module, inputs)
    edited = None
    for reader, parts in readers:
        read = source.read(reader)
        if read is None:
            continue
        if edited is None:
            edited = output.flatten(0, -2).clone()
        for part in parts:
            edited[:, part.slice] = _projected(module, part, read)
    return None if edited is None else edited.view_as(output)


def _projected(module: Any, part: Part, normed: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes outputs"]:
    weight = module.weight.narrow(part.axis, part.slice.start, part.slice.stop - part.slice.start)
    bias = None if module.bias is None else module.bias[part.slice]
    return nn.functional.linear(normed, weight.T if part.axis == 1 else weight, bias)


def _writing(
    model: Model, wires: Wires, layer: int, place: Place, writers: Sequence[Node]
) -> Iterator[tuple[nn.Module, Callable[..., Any]]]:
    """Hooks that collect what an attention or MLP adds to the stream: as a whole, or what each part of it adds."""
    layout = model.layout
    path = layout.attention_out(layer) if place == "attention" else layout.mlp_out(layer)
    outlet, after = module_at(model, path), layout.writing_norm(layer, place)
    norm = module_at(model, after) if after else None
    if len(writers) == 1:
        yield norm or outlet, partial(_write_whole, wires)
        return
    shares = _Shares(wires, writers, norm)
    yield outlet, shares.look
    if norm is not None:
        yield norm, shares.write_normed


def _write_whole(wires: Wires, _: nn.Module, __: Any, output: Tensor) -> None:
    wires.write(output.flatten(0, -2)[None])


class _Shares:
    """What each part of an attention or MLP adds to the stream, at the scale of a norm that stands between them."""

    def __init__(self, wires: Wires, writers: Sequence[Node], norm: nn.Module | None) -> None:
        self.wires, self.writers, self.norm = wires, writers, norm
        self.found: Tensor | None = None

    def look(self, module: Any, inputs: Any, _: Tensor) -> None:
        coefficients, weight = inputs[0].flatten(0, -2), module.weight
        found = []
        for (part,) in (node.outlet for node in self.writers):
            size = part.slice.stop - part.slice.start
            rows = weight.narrow(part.axis, part.slice.start, size)
            found.append(nn.functional.linear(coefficients[:, part.slice], rows if part.axis == 1 else rows.T))
        self.found = torch.stack(found)
        if self.norm is None:
            self.wires.write(self.found)

    def write_normed(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        assert self.found is not None
        self.wires.write(_as_normed(module, inputs[0].flatten(0, -2), output.flatten(0, -2)) * self.found)


def _as_normed(norm: Any, before: Tensor, after: Tensor) -> Float[Tensor, "nodes width"]:
    """By how much the norm has multiplied each number: its gains times the token's scale (an RMS norm's)."""
    gains = norm.forward(torch.ones_like(before[:1]))
    shaped = gains * before
    scale = (after * shaped).sum(-1, keepdim=True) / shaped.square().sum(-1, keepdim=True).clamp(min=1e-30)
    return scale * gains


def _stands(node: Node, place: Place) -> bool:
    return (node.kind in ("q", "k", "v", "o")) == (place == "attention")


def _by_module(nodes: Sequence[Node]) -> dict[str, list[tuple[Node, list[Part]]]]:
    """Path of a projection → the nodes that read through it, each with its weights there (biases go along)."""
    found: dict[str, dict[str, tuple[Node, list[Part]]]] = {}
    for node in nodes:
        for part in node.ports:
            path, _, kind = part.parameter.rpartition(".")
            if kind == "weight":
                found.setdefault(path, {}).setdefault(node.name, (node, []))[1].append(part)
    return {path: list(some.values()) for path, some in found.items()}
