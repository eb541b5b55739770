"""The parameters of a network by name: the floating-point ones, a tensor with two names only once."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

# a network, a `Model`, or any mapping from name to tensor (a state dict; a folder that is read one by one)
Weights = Any


class Parameters(Mapping[str, Tensor]):
    """Name → tensor in stored order, and in `ties` the further names of tensors that have several.

    Buffers and integer tensors are left out: they are not what training or arithmetic changes.
    """

    def __init__(self, tensors: Mapping[str, Tensor], ties: Mapping[str, str]) -> None:
        self._tensors = tensors
        self.ties = dict(ties)  # further name → the name that counts

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self.ties.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def parameters_of(source: Weights) -> Parameters:
    """The parameters of a network, of a `Model`, or of a mapping name → tensor.

    Mappings other than a plain dict are taken as they are: they may read each tensor from a file, when asked.
    """
    if isinstance(source, Parameters):
        return source
    network = getattr(source, "network", source)
    if isinstance(network, nn.Module):
        return distinct(dict(network.named_parameters(remove_duplicate=False)))
    if isinstance(network, dict):
        return distinct(network)
    if isinstance(network, Mapping):
        return Parameters(network, getattr(network, "ties", {}))
    raise TypeError(f"expected a network or a mapping from names to tensors, got {type(source).__name__}")


def distinct(tensors: Mapping[str, Tensor]) -> Parameters:
    """The floating-point tensors; one that has several names stands under the first."""
    first: dict[tuple[Any, ...], str] = {}
    kept: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        memory = id(tensor) if tensor.is_meta else tensor.data_ptr()
        where = (tensor.device, memory, tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and where in first:
            ties[name] = first[where]
        else:
            first[where] = name
            kept[name] = tensor
    return Parameters(kept, ties)
