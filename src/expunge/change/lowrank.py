"""Low-rank changes: LoRA factors that stay factors. Hu et al. 2021, arXiv:2106.09685.

    θ' = round(θ + s · B A)

The sum is taken rank by rank in float64, element by element, so that no matrix library or number of threads
can change a bit. A weight whose value it leaves keeps its bits (-0.0 + 0 would be 0). It does not undo
exactly; what round(θ' - s · B A) misses of θ is stored as XOR at the few weights concerned. Deviations: none
in the mathematics.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.change.bits import Difference, digest
from expunge.change.fingerprint import Fingerprint, Stamp
from expunge.change.stored import Norm, Stored, difference_parts, read_difference
from expunge.errors import ChangeError
from expunge.parameters import Parameters

_BLOCK = 2**16  # weights at a time: float64 blocks stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Factors:
    """The change of one matrix: scaling · B A, or its transpose where weights are [in, out] (GPT-2)."""

    a: Float[Tensor, "rank width_in"]
    b: Float[Tensor, "width_out rank"]
    scaling: float = 1.0
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.b.shape[0], self.a.shape[1]
        return (columns, rows) if self.transposed else (rows, columns)

    def added_to(self, weight: Float[Tensor, "rows columns"], factor: float = 1.0) -> Float[Tensor, "rows columns"]:
        """round(weight + factor · scaling · B A)."""
        a = self.a.to(weight.device, torch.float64)
        b = self.b.to(weight.device, torch.float64) * (self.scaling * factor)
        left, right = (a.T, b.T) if self.transposed else (b, a)
        result = torch.empty_like(weight, memory_format=torch.contiguous_format)
        rows = max(1, _BLOCK // max(1, weight.shape[1]))
        for start in range(0, weight.shape[0], rows):
            before = weight[start : start + rows]
            wide = before.double()
            block = wide.clone()
            for rank in range(len(right)):
                block += left[start : start + rows, rank, None] * right[rank]
            kept = (block == wide) | wide.isnan()
            result[start : start + rows] = torch.where(kept, before, block.to(weight.dtype))
        return result


class LowRank(Stored):
    """Factors per matrix, with the corrections that make the way back exact."""

    kind = "low-rank"

    def __init__(
        self,
        factors: Callable[[str], Factors],
        correction: Callable[[str], Difference | None],
        results: Mapping[str, str],
        norms: Mapping[str, Norm],
    ) -> None:
        self.factors, self._correction = factors, correction  # from memory or a file, one matrix at a time
        self.results, self.norms = results, norms

    @classmethod
    def of(cls, factors: Mapping[str, Factors], weights: Mapping[str, Tensor]) -> "LowRank":
        """Add the factors to the weights once, and note what the way back misses."""
        corrections: dict[str, Difference | None] = {}
        results: dict[str, str] = {}
        norms: dict[str, Norm] = {}
        for name, each in factors.items():
            before = _target(name, each, weights)
            after = each.added_to(before)
            corrections[name] = Difference.between(each.added_to(after, -1.0), before)
            results[name] = digest(after)
            norms[name] = Norm.of(before, after)
        return cls(factors.__getitem__, corrections.__getitem__, results, norms)

    def after(self, name: str, before: Tensor, factor: float = 1.0) -> Tensor:
        return self.factors(name).added_to(before, factor)

    def before(self, name: str, after: Tensor) -> Tensor:
        near = self.factors(name).added_to(after, -1.0)
        correction = self._correction(name)
        return near if correction is None else correction.flip(near)

    def scaled_factors(self, factor: float) -> dict[str, Factors]:
        """By name, with `scaling` times the factor: scaling A and B apart would square it."""
        found = {name: self.factors(name) for name in self.results}
        return {name: replace(each, scaling=each.scaling * factor) for name, each in found.items()}

    def parts(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        layout: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for name in self.results:
            each, correction = self.factors(name), self._correction(name)
            layout[name] = {"scaling": each.scaling, "transposed": each.transposed, "correction": None}
            tensors |= {f"A:{name}": each.a.detach().cpu(), f"B:{name}": each.b.detach().cpu()}
            if correction is not None:
                layout[name]["correction"], parts = difference_parts(name, correction)
                tensors |= parts
        return layout, tensors

    @classmethod
    def read(
        cls,
        layout: Mapping[str, Any],
        tensor: Callable[[str], Tensor],
        results: Mapping[str, str],
        norms: Mapping[str, Norm],
    ) -> "LowRank":
        """The inverse of `parts`; `tensor` gives a tensor of the file by key."""

        def factors(name: str) -> Factors:
            spec = layout[name]
            return Factors(tensor(f"A:{name}"), tensor(f"B:{name}"), spec["scaling"], spec["transposed"])

        def correction(name: str) -> Difference | None:
            spec = layout[name]["correction"]
            return None if spec is None else read_difference(name, spec, tensor)

        return cls(factors, correction, results, norms)


def fingerprint_for(factors: Mapping[str, Factors], weights: Parameters) -> Fingerprint:
    """The fingerprint of the base, after a check that the factors fit it."""
    for name, each in factors.items():
        _target(name, each, weights)
    return Fingerprint({name: Stamp.of(weights[name].detach()) for name in weights}, weights.ties)


def _target(name: str, factors: Factors, weights: Mapping[str, Tensor]) -> Tensor:
    if name not in weights:
        raise ChangeError(f"the low-rank change names {name!r}, which the model does not have")
    if tuple(weights[name].shape) != factors.shape:
        raise ChangeError(f"the low-rank change of {name} has shape {factors.shape}, not {tuple(weights[name].shape)}")
    return weights[name].detach()
