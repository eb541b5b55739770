"""Where a mask lies: how much of each kind of matrix it takes in each layer.

A fused projection is counted in its parts (Phi-3's and GPT-2's stacked ones, GPT-NeoX's head by head), grouped keys and
values once. What a block has besides its seven matrices, biases and norms above all, is "other"; what stands outside
of the blocks is counted by itself. So every weight of the network is counted exactly once.
"""

from collections.abc import Mapping
from math import prod

import torch
from jaxtyping import Int
from torch import Tensor

from expunge.errors import ChangeError
from expunge.localize.units import matrices
from expunge.mask import Mask
from expunge.models.layout import Layout
from expunge.record_mask import KINDS, NOTHING, Cell, Where, total


def where(mask: Mask, layout: Layout) -> Where:
    """Raises ChangeError for a mask of another network than the layout's."""
    left = {name: Cell(_count(mask, name), prod(shape)) for name, shape in mask.shapes.items()}  # what no part took yet
    rows = []
    for layer in range(layout.depth):
        row = dict.fromkeys(KINDS, NOTHING)
        for (name, axis), parts in _matrices(layout, layer).items():
            along = _along(mask, name, axis, max(at.stop for _, at in parts))
            each = prod(mask.shapes[name]) // len(along)
            for kind, at in parts:
                cell = Cell(int(along[at].sum()), (at.stop - at.start) * each)
                row[kind] += cell
                left[name] -= cell
        inside = [name for name in left if name.startswith(f"{layout.block(layer)}.")]
        row["other"] += total(left.pop(name) for name in inside)
        rows.append(row)
    kinds = tuple(kind for kind in KINDS if any(row[kind].weights for row in rows))
    return Where(kinds, tuple(tuple(row[kind] for kind in kinds) for row in rows), _outside(layout, left))


def _outside(layout: Layout, left: Mapping[str, Cell]) -> dict[str, Cell]:
    embedding = "embedding and head" if layout.head.tied else "embedding"
    found = dict.fromkeys((embedding, "head", "final norm", "other"), NOTHING)
    head = layout.head.parameter.rpartition(".")[0]
    for name, cell in left.items():
        module = name.rpartition(".")[0]
        if name.startswith(f"{layout.architecture.blocks}."):
            raise _of_another_network(f"{name!r} is in none of the {layout.depth} layers")
        place = embedding if name == layout.embedding else "head" if module == head else "other"
        found["final norm" if module == layout.final_norm else place] += cell
    return {name: cell for name, cell in found.items() if cell.weights}


def _matrices(layout: Layout, layer: int) -> dict[tuple[str, int], list[tuple[str, slice]]]:
    """(parameter, axis) → its parts, as (kind, where along the axis)."""
    found: dict[tuple[str, int], list[tuple[str, slice]]] = {}
    for kind, parts in matrices(layout, layer).items():
        for part in parts:
            found.setdefault((part.parameter, part.axis), []).append((kind, part.slice))
    return found


def _along(mask: Mask, name: str, axis: int, least: int) -> Int[Tensor, " slices"]:
    """How many weights of each unit along an axis the mask has."""
    shape = mask.shapes.get(name, ())
    if axis >= len(shape) or shape[axis] < least:
        raise _of_another_network(f"{name!r} has shape {shape}" if shape else f"it knows no {name!r}")
    size, each = shape[axis], prod(shape) // shape[axis]
    if name not in mask:
        return torch.zeros(size, dtype=torch.int64)
    units = mask[name]
    if units is None:
        return torch.full((size,), each)
    if units.axis is None:
        return torch.bincount(units.index // prod(shape[axis + 1 :]) % size, minlength=size)
    if units.axis == axis:
        return torch.zeros(size, dtype=torch.int64).index_fill_(0, units.index, each)
    return torch.full((size,), each // shape[units.axis] * len(units.index))


def _count(mask: Mask, name: str) -> int:
    if name not in mask:
        return 0
    units, shape = mask[name], mask.shapes[name]
    if units is None:
        return prod(shape)
    return len(units.index) * (1 if units.axis is None else prod(shape) // shape[units.axis])


def _of_another_network(why: str) -> ChangeError:
    return ChangeError(f"the mask is for another network: {why}. Make the mask from this network.")
