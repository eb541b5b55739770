"""The part of a record that says where a mask lies: weights chosen and weights there, by layer and kind.

    Where
    ├── kinds            of a block's matrices: query, key, value, output, gate, up, down; the rest is "other"
    ├── layers: [[Cell]] layer by layer, a cell for each kind
    └── outside: {place: Cell}   embedding, head, final norm

`localize.where.where` counts it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS: tuple[str, ...] = ("query", "key", "value", "output", "gate", "up", "down", "other")


@dataclass(frozen=True, slots=True)
class Cell:
    """Weights of one place."""

    chosen: int  # those that the mask has
    weights: int  # all

    @property
    def share(self) -> float | None:
        """None where there is nothing to choose from."""
        return self.chosen / self.weights if self.weights else None

    def __add__(self, other: "Cell") -> "Cell":
        return Cell(self.chosen + other.chosen, self.weights + other.weights)

    def __sub__(self, other: "Cell") -> "Cell":
        return Cell(self.chosen - other.chosen, self.weights - other.weights)


NOTHING = Cell(0, 0)


def total(cells: Iterable[Cell]) -> Cell:
    """All together."""
    return sum(cells, NOTHING)


@dataclass(frozen=True)
class Where:
    """Kinds and places that the network does not have are left out: GPT-2 has no gate."""

    kinds: tuple[str, ...]
    layers: tuple[tuple[Cell, ...], ...]  # layer by layer, a cell for each kind
    outside: Mapping[str, Cell]  # of the blocks

    @property
    def total(self) -> Cell:
        """The whole network."""
        return total(cell for row in (*self.layers, self.outside.values()) for cell in row)

    def kind(self, name: str) -> Cell:
        """One kind in all layers together."""
        return total(row[self.kinds.index(name)] for row in self.layers)

    def as_json(self) -> dict[str, Any]:
        """For records; `from_json` reads it."""
        return {
            "kinds": list(self.kinds),
            "layers": [[[cell.chosen, cell.weights] for cell in row] for row in self.layers],
            "outside": {name: [cell.chosen, cell.weights] for name, cell in self.outside.items()},
        }

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> "Where":
        """The inverse of `as_json`."""
        layers = tuple(tuple(Cell(*cell) for cell in row) for row in written["layers"])
        return Where(tuple(written["kinds"]), layers, {name: Cell(*cell) for name, cell in written["outside"].items()})
