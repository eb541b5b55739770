"""What a change is made of: what leads from base weights to changed ones and back, bit for bit."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from expunge.change.bits import Difference, bits, digest, same
from expunge.errors import ChangeError


class Norm(NamedTuple):
    """Euclidean norm of a tensor's change, and its ratio to the norm of the tensor before."""

    absolute: float
    relative: float

    @classmethod
    def of(cls, before: Tensor, after: Tensor) -> "Norm":
        size = float(torch.linalg.vector_norm(before, dtype=torch.float64))
        moved = float(torch.linalg.vector_norm(difference(before, after), dtype=torch.float64))
        # nine digits: the last ones depend on the number of threads, and a saved file should not
        ratio = moved / size if size else (0.0 if moved == 0 else float("inf"))
        return cls(float(f"{moved:.9g}"), float(f"{ratio:.9g}"))


def difference(before: Tensor, after: Tensor) -> Tensor:
    """after - before in float32 (float64 for float64 weights), zero wherever the bits are the same."""
    wide = torch.promote_types(before.dtype, torch.float32)
    found = after.to(wide) - before.to(wide)
    # only ∞ - ∞ and NaN - NaN are not 0 by themselves; a sum without NaN has none among its terms, and is fast
    return found.masked_fill_(same(before, after), 0) if bool(found.sum().isnan()) else found


def moved(start: Tensor, step: Tensor, wide: Tensor | None = None) -> Tensor:
    """round(start + step), for a step in float32; a weight whose step is 0 keeps its bits. `wide`: start in float32."""
    result = ((start.to(step.dtype) if wide is None else wide) + step).to(start.dtype)
    # adding 0 changes the bits of -0.0 and of NaN only, and few tensors hold any
    return result if _plain(start) else torch.where(step == 0, start, result)


def _plain(tensor: Tensor) -> bool:
    """Whether a tensor surely holds neither -0.0 nor NaN."""
    if tensor.element_size() == 1 or not tensor.numel():
        return False
    pattern = bits(tensor)
    return int(pattern.min()) != torch.iinfo(pattern.dtype).min and not bool(tensor.sum().isnan())


class Stored(ABC):
    """Exact in both directions for the tensors that `results` names."""

    kind: str  # "dense", "indexed" or "low-rank"
    results: Mapping[str, str]  # name → digest of the changed tensor, in stored order
    norms: Mapping[str, Norm]

    @abstractmethod
    def after(self, name: str, before: Tensor, factor: float = 1.0) -> Tensor:
        """The changed tensor; with a factor, `before` plus that multiple of the change."""

    @abstractmethod
    def before(self, name: str, after: Tensor) -> Tensor:
        """The base tensor from the changed one (factor 1)."""

    @abstractmethod
    def parts(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What a file holds: JSON by tensor name, and tensors by key."""


class Differences(Stored):
    """XOR of bit patterns, dense or only for the units that differ."""

    def __init__(
        self,
        read: Callable[[str], Difference],
        indexed: bool,
        results: Mapping[str, str],
        norms: Mapping[str, Norm],
    ) -> None:
        self.kind = "indexed" if indexed else "dense"
        self.results, self.norms = results, norms
        self._read = read  # from memory or from a file, one tensor at a time

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Tensor, Tensor]]) -> "Differences":
        """From (name, before, after); tensors that do not differ are left out."""
        differences: dict[str, Difference] = {}
        results: dict[str, str] = {}
        norms: dict[str, Norm] = {}
        for name, before, after in pairs:
            if (found := Difference.between(before, after)) is not None:
                differences[name] = found
                results[name] = digest(after)
                norms[name] = Norm.of(before, after)
        indexed = all(each.index is not None for each in differences.values())
        return cls(differences.__getitem__, indexed, results, norms)

    def after(self, name: str, before: Tensor, factor: float = 1.0) -> Tensor:
        after = self._flip(name, before)
        if factor == 1.0:
            return after
        # from the changed weights, not from the base: θ_un + α·v is θ_un itself for α = 0 (arXiv:2503.04693)
        return moved(after, (factor - 1.0) * difference(before, after))

    def before(self, name: str, after: Tensor) -> Tensor:
        return self._flip(name, after)

    def parts(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        layout: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for name in self.results:
            layout[name], parts = difference_parts(name, self._read(name))
            tensors.update(parts)
        return layout, tensors

    def _flip(self, name: str, tensor: Tensor) -> Tensor:
        found = self._read(name)
        if not found.fits(tensor.shape) or found.xor.element_size() != tensor.element_size():
            raise ChangeError(f"the change is damaged: what it stores for {name} does not fit {tuple(tensor.shape)}")
        return found.flip(tensor)


def difference_parts(name: str, found: Difference) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """JSON and tensors of one difference in a file."""
    tensors = {f"xor:{name}": found.xor}
    if found.index is not None:
        tensors[f"index:{name}"] = found.index
    return {"axis": found.axis, "indexed": found.index is not None}, tensors


def read_difference(name: str, layout: Mapping[str, Any], read: Callable[[str], Tensor]) -> Difference:
    """The inverse of `difference_parts`; `read` gives a tensor by key."""
    index = read(f"index:{name}") if layout["indexed"] else None
    return Difference(layout["axis"], index, read(f"xor:{name}"))
