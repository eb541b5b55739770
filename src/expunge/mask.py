"""Which parameters may change: name → the whole tensor, units along one axis, or single weights.

A unit is what an index along one axis holds: a row, a column, a value vector (a column of the second MLP
matrix of a Llama, a row of GPT-2's). A head is a run of rows. What a mask does not name stays as it is, bit
for bit. Zero gradients do not suffice for that, since weight decay moves weights without one: the optimizer decays
inside the mask only (`train/optimizer.py`), and its moments start at zero.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.errors import ChangeError, ConfigError
from expunge.parameters import Weights, parameters_of


@dataclass(frozen=True, eq=False)
class Units:
    """Sorted indices along `axis` of a tensor, or, where `axis` is None, of its weights in flat order."""

    axis: int | None
    index: Int[Tensor, " units"]


Entry = Units | None  # None: the whole tensor
_KIND = "expunge-mask"


class Mask:
    """A set of weights of one network. `shapes` is the universe: name → shape of all its parameters.

    An entry of `entries` is None (the whole tensor), `(axis, indices)`, a flat index tensor or a Bool tensor
    of the parameter's shape. Each set has one form only: a matrix of which all rows are chosen is the whole
    matrix, single weights that fill rows are rows.

    >>> a = Mask({"w": (2, 3), "b": (3,)}, {"w": (1, [0, 2])})
    >>> (~a)["w"], (~a)["b"]
    (Units(axis=1, index=tensor([1])), None)
    >>> round(a.density(), 3)
    0.444
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], entries: Mapping[str, Any]) -> None:
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        for name in entries:
            if name not in self.shapes:
                raise ConfigError(f"the mask names {name!r}, which is not a parameter.{_near(name, self.shapes)}")
        self._entries: dict[str, Entry] = {}
        for name, shape in self.shapes.items():  # stored order, whatever the order of `entries`
            if name in entries:
                self._put(name, *_as_chosen(name, shape, entries[name]))

    @classmethod
    def everything(cls, network: Weights) -> "Mask":
        """All parameters of a network (or of a mapping name → tensor)."""
        shapes = _shapes_of(network)
        return cls(shapes, dict.fromkeys(shapes))

    @classmethod
    def of(cls, network: Weights, entries: Mapping[str, Any]) -> "Mask":
        """The given entries; the second name of a tied tensor stands for the tensor."""
        ties = parameters_of(network).ties
        return cls(_shapes_of(network), {ties.get(name, name): entry for name, entry in entries.items()})

    @classmethod
    def parameters(cls, network: Weights, names: Iterable[str]) -> "Mask":
        """Whole parameters by name or pattern, such as `["model.layers.3.*", "lm_head.weight"]`."""
        shapes, ties = _shapes_of(network), parameters_of(network).ties
        chosen: set[str] = set()
        for pattern in names:
            found = {ties.get(name, name) for name in (*shapes, *ties) if fnmatchcase(name, pattern)}
            if not found:
                raise ConfigError(f"no parameter matches {pattern!r}.{_near(pattern, shapes)}")
            chosen |= found
        return cls(shapes, dict.fromkeys(chosen))

    def _put(self, name: str, axis: int | None, chosen: Bool[Tensor, " units"]) -> None:
        shape = self.shapes[name]
        if not chosen.any():
            return
        if chosen.all():
            self._entries[name] = None
            return
        if axis is None:
            axis, chosen = _along_an_axis(shape, chosen)
        self._entries[name] = Units(axis, chosen.nonzero().flatten())

    def __getitem__(self, name: str) -> Entry:
        """None for a whole tensor, else its units; KeyError for a tensor that must not change."""
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Names of the tensors of which at least one weight may change, in stored order."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.shapes == other.shapes and not len(self ^ other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Mask({len(self)} of {len(self.shapes)} tensors, {self.density():.2%} of the weights)"

    def __and__(self, other: "Mask") -> "Mask":
        return self._combine(other, torch.logical_and)

    def __or__(self, other: "Mask") -> "Mask":
        return self._combine(other, torch.logical_or)

    def __xor__(self, other: "Mask") -> "Mask":
        return self._combine(other, torch.logical_xor)

    def __sub__(self, other: "Mask") -> "Mask":
        return self._combine(other, lambda mine, theirs: mine & ~theirs)

    def __invert__(self) -> "Mask":
        return Mask(self.shapes, dict.fromkeys(self.shapes)) - self

    def _combine(self, other: "Mask", rule: Callable[[Tensor, Tensor], Tensor]) -> "Mask":
        self.check_shapes(other.shapes)
        result = Mask(self.shapes, {})
        for name in self.shapes:
            axes = {units.axis for units in (self._entries.get(name), other._entries.get(name)) if units}
            if not axes and name not in self and name not in other:
                continue
            axis = axes.pop() if len(axes) == 1 else None if axes else 0
            result._put(name, axis, rule(self.chosen(name, axis), other.chosen(name, axis)))
        return result

    def chosen(self, name: str, axis: int | None) -> Bool[Tensor, " units"]:
        """Which units along `axis` (None: which weights, flat) belong to the mask as a whole."""
        shape = self.shapes[name]
        size = prod(shape) if axis is None or not shape else shape[axis]
        if name not in self._entries:
            return torch.zeros(size, dtype=torch.bool)
        units = self._entries[name]
        if units is None:
            return torch.ones(size, dtype=torch.bool)
        if units.axis == axis:
            return torch.zeros(size, dtype=torch.bool).index_fill_(0, units.index, True)
        inside = self.inside(name)
        return inside.flatten() if axis is None else inside.movedim(axis, 0).reshape(size, -1).all(1)

    def inside(self, name: str) -> Bool[Tensor, "..."]:
        """True where a weight may change, in the parameter's shape."""
        shape = self.shapes[name]
        units = self._entries.get(name)
        if units is None:
            return torch.full(shape, name in self._entries)
        if units.axis is None:
            return self.chosen(name, None).reshape(shape)
        along = [-1 if axis == units.axis else 1 for axis in range(len(shape))]
        return self.chosen(name, units.axis).reshape(along).expand(shape)

    def outside(self, name: str) -> Bool[Tensor, "..."]:
        """True where a weight must stay, in the parameter's shape."""
        return ~self.inside(name)

    def weights(self) -> int:
        """How many weights may change."""
        return sum(self._count(name) for name in self)

    def density(self, within: "Mask | None" = None) -> float:
        """Share of the weights that may change: of all, or of those of another mask (the candidates, say)."""
        if within is None:
            return self.weights() / max(1, sum(map(prod, self.shapes.values())))
        return (self & within).weights() / max(1, within.weights())

    def unit_density(self, axes: Mapping[str, int]) -> float:
        """Share of the units along the given axes (name → axis) that may change as a whole."""
        counts = [self.chosen(name, axis) for name, axis in axes.items()]
        return sum(int(c.sum()) for c in counts) / max(1, sum(map(len, counts)))

    def _count(self, name: str) -> int:
        units, total = self._entries[name], prod(self.shapes[name])
        if units is None:
            return total
        return len(units.index) * (1 if units.axis is None else total // self.shapes[name][units.axis])

    @torch.no_grad()
    def apply_to_gradients_(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Set gradients outside the mask to zero, in place. Before clipping, which looks at all of them."""
        for name, gradient in gradients.items():
            if gradient is None:
                continue
            if name not in self:
                gradient.zero_()
            elif (units := self[name]) is not None and units.axis is not None:
                gradient.index_fill_(units.axis, self._others(name, gradient.device), 0)
            elif units is not None:
                gradient.masked_fill_(self.outside(name).to(gradient.device), 0)

    def _others(self, name: str, device: torch.device) -> Int[Tensor, " units"]:
        units = self._entries[name]
        assert units is not None
        return (~self.chosen(name, units.axis)).nonzero().flatten().to(device)

    def check_shapes(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """ChangeError unless the mask is for a network with these parameters."""
        theirs = {name: tuple(shape) for name, shape in shapes.items()}
        if wrong := [name for name in {**self.shapes, **theirs} if self.shapes.get(name) != theirs.get(name)]:
            name = wrong[0]
            raise ChangeError(
                f"the mask is for another network: {len(wrong)} parameters differ, the first is {name!r} "
                f"({self.shapes.get(name, 'absent')} in the mask, {theirs.get(name, 'absent')} here). "
                "Make the mask from this network."
            )

    def save(self, path: str | Path, note: Mapping[str, Any] | None = None) -> None:
        """One safetensors file: an index tensor per parameter, the rest as JSON in its header.

        `note` says where the mask comes from; `note_of` gives it back.
        """
        tensors = {name: units.index for name, units in self._entries.items() if units is not None}
        axes = {name: "whole" if units is None else units.axis for name, units in self._entries.items()}
        header = {"kind": _KIND, "version": 1, "shapes": self.shapes, "axes": axes, "note": dict(note or {})}
        with atomic_file(Path(path)) as partial:
            save_file(tensors, partial, {"expunge": json.dumps(header)})

    @classmethod
    def load(cls, path: str | Path) -> "Mask":
        """ConfigError when the file is missing or holds no mask."""
        header, tensors = _read(path)
        entries = {n: None if axis == "whole" else (axis, tensors[n]) for n, axis in header["axes"].items()}
        return cls(header["shapes"], entries)


def check_weights(mask: Mask) -> None:
    """ConfigError for a mask of nothing, within which nothing can be trained."""
    if not len(mask):
        raise ConfigError("the mask holds no weight, so there is nothing to train: check how it was cut")


def note_of(path: str | Path) -> dict[str, Any]:
    """What `Mask.save` was told of where the mask comes from. Raises as `Mask.load`."""
    return _read(path)[0].get("note", {})


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("expunge", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as problem:
        raise ConfigError(f"cannot read a mask from {path}: {problem}") from problem
    if header.get("kind") != _KIND:
        raise ConfigError(f"{path} holds no mask: make one with `expunge localize`")
    return header, tensors


def _shapes_of(network: Weights) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in parameters_of(network).items()}


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=2, cutoff=0.4)
    return f" Near: {', '.join(near)}" if near else ""


def _as_chosen(name: str, shape: tuple[int, ...], entry: Any) -> tuple[int | None, Bool[Tensor, " units"]]:
    """(axis, which units along it) from any form in which an entry may be given."""
    if entry is None:
        return None, torch.ones(prod(shape), dtype=torch.bool)
    if isinstance(entry, Tensor) and entry.dtype == torch.bool:
        if tuple(entry.shape) != shape:
            raise ConfigError(f"the mask of {name!r} has shape {tuple(entry.shape)}, the parameter {shape}")
        return None, entry.cpu().flatten()
    axis, index = (None, entry) if isinstance(entry, Tensor) else entry
    if axis is not None and not 0 <= axis < len(shape):
        raise ConfigError(f"the mask of {name!r} has axis {axis}; its shape is {shape}")
    index = torch.as_tensor(index, dtype=torch.int64).cpu().flatten()
    size = prod(shape) if axis is None else shape[axis]
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < size:
        raise ConfigError(f"the mask of {name!r} has indices outside 0…{size - 1}")
    return axis, torch.zeros(size, dtype=torch.bool).index_fill_(0, index, True)


def _along_an_axis(
    shape: tuple[int, ...], chosen: Bool[Tensor, " weights"]
) -> tuple[int | None, Bool[Tensor, " units"]]:
    """Whole units along the first axis for which the weights are such, else the weights themselves."""
    for axis in range(len(shape)):
        by_unit = chosen.reshape(shape).movedim(axis, 0).reshape(shape[axis], -1)
        if bool((by_unit.all(1) == by_unit.any(1)).all()):
            return axis, by_unit.any(1)
    return None, chosen
