"""Units: what a localizer chooses among, at one granularity, over all layers at once.

    value_vectors  column j of a block's down projection (row j of GPT-2's): what neuron j writes
    heads          a query head: its stretch of q and of the output projection, biases of q included
    rows           one output of a linear layer of the blocks: its weights
    matrices       q, k, v, the attention's output, gate, up, down of a block, also where they are stored as one
    weights        every single weight of those matrices
    layers         a block with all that it has

With grouped-query attention a key-value head serves several query heads. Its k and v count for no head, and belong to
a mask once all heads that it serves do; otherwise training one head would change the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.errors import ConfigError
from expunge.mask import Mask
from expunge.models.layout import ROLES, Layout, Part
from expunge.models.model import Model
from expunge.parameters import parameters_of


@dataclass(frozen=True)
class Strip:
    """A stretch of a parameter along an axis: units `first`, `first + 1` …, each `width` slices wide.

    `axis` None: the weights in flat order, each a unit.
    """

    parameter: str
    axis: int | None
    start: int
    stop: int
    first: int
    width: int


@dataclass(frozen=True)
class Shared:
    """What belongs to the mask when all of some units do."""

    part: Part
    units: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Units:
    """The units of one network, numbered from 0 in the order of the layers."""

    granularity: str
    shapes: Mapping[str, tuple[int, ...]]  # of all parameters of the network
    strips: tuple[Strip, ...]
    count: int
    shared: tuple[Shared, ...] = ()
    _by_name: dict[str, list[Strip]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found: dict[str, list[Strip]] = {}
        for strip in self.strips:
            found.setdefault(strip.parameter, []).append(strip)
        object.__setattr__(self, "_by_name", found)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that units have weights in."""
        return tuple(self._by_name)

    def sums(self, values: Callable[[str], Tensor]) -> Float[Tensor, " units"]:
        """Σ over the weights of each unit; `values(name)` gives a number for each weight of a parameter.

        One parameter is asked for at a time, so only one such tensor is in memory.
        """
        total = torch.zeros(self.count)
        for name in self._by_name:
            self.add(total, name, values(name))
        return total

    def add(self, total: Float[Tensor, " units"], name: str, values: Tensor) -> None:
        """Add a parameter's values, one a weight, to the sums of the units they belong to, in place."""
        for strip in self._by_name[name]:
            if strip.axis is None:
                total[strip.first : strip.first + values.numel()] += values.flatten().float().cpu()
                continue
            part = values.narrow(strip.axis, strip.start, strip.stop - strip.start).float()
            others = [axis for axis in range(part.ndim) if axis != strip.axis]
            slices = part.sum(others) if others else part
            each = slices.reshape(-1, strip.width).sum(1).cpu()
            total[strip.first : strip.first + len(each)] += each

    def sizes(self) -> Int[Tensor, " units"]:
        """Weights of each unit."""
        if all(strip.axis is None for strip in self.strips):
            return torch.ones(1, dtype=torch.long).expand(self.count)  # as many as weights: not one number for each
        found = torch.zeros(self.count, dtype=torch.long)
        for strip in self.strips:
            shape = self.shapes[strip.parameter]
            each = 1 if strip.axis is None else strip.width * prod(shape) // shape[strip.axis]
            found[strip.first : strip.first + (strip.stop - strip.start) // strip.width] += each
        return found

    def mask(self, chosen: Bool[Tensor, " units"]) -> Mask:
        """The weights of the chosen units."""
        inside: dict[str, tuple[int | None, Bool[Tensor, " slices"]]] = {}

        def put(name: str, axis: int | None, start: int, stop: int, values: Tensor) -> None:
            shape = self.shapes[name]
            size = prod(shape) if axis is None else shape[axis]
            inside.setdefault(name, (axis, torch.zeros(size, dtype=torch.bool)))[1][start:stop] = values

        for strip in self.strips:
            number = (strip.stop - strip.start) // strip.width
            values = chosen[strip.first : strip.first + number].repeat_interleave(strip.width)
            put(strip.parameter, strip.axis, strip.start, strip.stop, values)
        for each in self.shared:
            if bool(chosen[list(each.units)].all()):
                at = each.part.slice
                put(each.part.parameter, each.part.axis, at.start, at.stop, torch.tensor(True))
        return Mask(self.shapes, {name: (axis, of.nonzero().flatten()) for name, (axis, of) in inside.items()})

    def touched(self, mask: Mask) -> Bool[Tensor, " units"]:
        """Which units a mask has any weight of. Raises ChangeError for a mask of another network."""
        mask.check_shapes(self.shapes)
        return self.sums(lambda name: mask.inside(name)) > 0

    def inside(self, mask: Mask) -> Bool[Tensor, " units"]:
        """Which units a mask holds as a whole, what heads share left aside."""
        found = torch.ones(self.count, dtype=torch.bool)
        for strip in self.strips:
            part = mask.chosen(strip.parameter, strip.axis)[strip.start : strip.stop]
            each = part.reshape(-1, strip.width).all(1)
            found[strip.first : strip.first + len(each)] &= each
        return found


def units_of(model: Model, granularity: str) -> Units:
    """The units of a model. Raises ConfigError for a granularity that there is not."""
    if granularity not in GRANULARITIES:
        raise ConfigError(f"no granularity called {granularity!r}. Known: {', '.join(GRANULARITIES)}")
    shapes = {name: tuple(weight.shape) for name, weight in parameters_of(model).items()}
    numbering = _Numbering(shapes)
    GRANULARITIES[granularity](model.layout, numbering)
    return Units(granularity, shapes, tuple(numbering.strips), numbering.count, tuple(numbering.shared))


class _Numbering:
    """Collects strips and gives out numbers."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.strips: list[Strip] = []
        self.shared: list[Shared] = []
        self.count = 0

    def one(self, parts: Sequence[Part]) -> int:
        """A unit that consists of the parts."""
        for part in parts:
            at = part.slice
            self.strips.append(Strip(part.parameter, part.axis, at.start, at.stop, self.count, at.stop - at.start))
        self.count += 1
        return self.count - 1

    def each(self, part: Part) -> None:
        """A unit for each slice of the part."""
        at = part.slice
        self.strips.append(Strip(part.parameter, part.axis, at.start, at.stop, self.count, 1))
        self.count += at.stop - at.start

    def singles(self, parameter: str) -> None:
        """A unit for each weight of a parameter."""
        size = prod(self.shapes[parameter])
        self.strips.append(Strip(parameter, None, 0, size, self.count, 1))
        self.count += size

    def whole(self, parameter: str) -> Part:
        return Part(parameter, 0, slice(0, self.shapes[parameter][0]))


def _value_vectors(layout: Layout, units: _Numbering) -> None:
    for layer in range(layout.depth):
        units.each(Part(*layout.value_vectors(layer), slice(0, layout.d_ff)))


def _heads(layout: Layout, units: _Numbering) -> None:
    for layer in range(layout.depth):
        own = ("query", "output") if layout.groups > 1 else ROLES
        numbers = [units.one(layout.head_slices(layer, head, own)) for head in range(layout.heads)]
        if layout.groups == 1:
            continue
        for first in range(0, layout.heads, layout.groups):
            served = tuple(numbers[first : first + layout.groups])
            parts = layout.head_slices(layer, first, ("key", "value"))
            units.shared.extend(Shared(part, served) for part in parts)


def matrices(layout: Layout, layer: int) -> dict[str, list[Part]]:
    """Kind → the parts that hold it: query, key, value, output, gate (where there is one), up, down."""
    found: dict[str, list[Part]] = {}
    for role in ROLES:
        every = layout.groups if role in ("key", "value") else 1
        slices = [layout.head_slices(layer, head, (role,)) for head in range(0, layout.heads, every)]
        found[role] = [part for parts in slices for part in parts if part.parameter.endswith(".weight")]
    found |= {kind: [part] for kind, part in layout.mlp_in(layer).items()}
    found["down"] = [Part(*layout.value_vectors(layer), slice(0, layout.d_ff))]
    return found


def _matrices(layout: Layout, units: _Numbering) -> None:
    for layer in range(layout.depth):
        for parts in matrices(layout, layer).values():
            units.one(parts)


def _stored(layout: Layout, layer: int) -> Iterator[str]:
    """The matrices of a block as they are stored, fused ones once."""
    yield from dict.fromkeys(part.parameter for parts in matrices(layout, layer).values() for part in parts)


def _rows(layout: Layout, units: _Numbering) -> None:
    axis = 1 if layout.architecture.transposed else 0
    for layer in range(layout.depth):
        for name in _stored(layout, layer):
            units.each(Part(name, axis, slice(0, units.shapes[name][axis])))


def _weights(layout: Layout, units: _Numbering) -> None:
    for layer in range(layout.depth):
        for name in _stored(layout, layer):
            units.singles(name)


def _layers(layout: Layout, units: _Numbering) -> None:
    for block in layout.blocks:
        units.one([units.whole(name) for name in units.shapes if name.startswith(f"{block}.")])


GRANULARITIES: Mapping[str, Callable[[Layout, _Numbering], None]] = {
    "value_vectors": _value_vectors, "heads": _heads, "rows": _rows, "matrices": _matrices, "weights": _weights,
    "layers": _layers,
}  # fmt: skip
