"""What a set of weights is: type, shape and digest of each tensor. A change belongs to one such set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from expunge.change.bits import digest, exactly, type_name
from expunge.parameters import Parameters


class Stamp(NamedTuple):
    """One tensor."""

    digest: str
    dtype: str  # "float32"
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> "Stamp":
        return cls(digest(tensor), type_name(tensor.dtype), tuple(tensor.shape))

    @property
    def torch_dtype(self) -> torch.dtype:
        return getattr(torch, self.dtype)


@dataclass(frozen=True)
class Fingerprint:
    """Name → stamp in stored order; `ties` are further names of tensors that have several."""

    stamps: Mapping[str, Stamp]
    ties: Mapping[str, str]

    @classmethod
    def of(cls, weights: Parameters) -> "Fingerprint":
        return cls({name: Stamp.of(weights[name]) for name in weights}, weights.ties)

    @property
    def id(self) -> str:
        """One digest for all of it: short enough for a record."""
        summary = json.dumps([[name, stamp.digest] for name, stamp in self.stamps.items()])
        return blake2b(summary.encode(), digest_size=16).hexdigest()

    def with_digests(self, digests: Mapping[str, str]) -> "Fingerprint":
        """The same tensors with other contents where `digests` has their name."""
        stamps = {name: stamp._replace(digest=digests.get(name, stamp.digest)) for name, stamp in self.stamps.items()}
        return Fingerprint(stamps, self.ties)

    def misfit(self, name: str, tensor: Tensor | None) -> str | None:
        """How `tensor` differs from the stamp of that name in what shows without its values; None if it does not."""
        if tensor is None:
            return f"{name} is missing"
        shape = self.stamps[name].shape
        return None if tuple(tensor.shape) == shape else f"{name} has shape {tuple(tensor.shape)} instead of {shape}"

    def problem(self, name: str, tensor: Tensor | None, expected: str) -> str | None:
        """How `tensor` differs from the stamp of that name with digest `expected`; None if it does not.

        A tensor of another type is compared in the stamp's type, if that loses no bit.
        """
        stamp = self.stamps[name]
        if tensor is None or self.misfit(name, tensor):
            return self.misfit(name, tensor)
        converted = exactly(tensor, stamp.torch_dtype)
        if converted is None:
            return f"{name} is {type_name(tensor.dtype)} and holds values that {stamp.dtype} cannot"
        if digest(converted) != expected:
            return f"{name} holds other values"
        return None

    def differing(self, other: "Fingerprint") -> list[str]:
        """Names of tensors that are not the same in both."""
        names = {**self.stamps, **other.stamps}
        return [name for name in names if self.stamps.get(name) != other.stamps.get(name)]
