"""Tensors of folders in blocks.

Bytes are read into buffers of our own rather than mapped: pages of a mapped file count as memory for as long as it is
open, and each has to be faulted in.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from expunge.arithmetic.folder import Folder
from expunge.change.bits import bits, raw

BLOCK = 2**20  # weights: long reads, small buffers


class Part(NamedTuple):
    """Weights of a tensor, in flat order."""

    start: int
    weights: int


def parts_of(weights: int) -> Iterator[Part]:
    """All of a tensor, block by block."""
    for start in range(0, weights, BLOCK):
        yield Part(start, min(BLOCK, weights - start))


class Reader:
    """Reads parts of tensors from any number of folders. In every thread one file a folder is open at a time."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[dict[Path, tuple[Path, int]]] = []  # of each thread: folder → its open file

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        for held in self._all:
            for _, descriptor in held.values():
                os.close(descriptor)
        self._all.clear()

    def read(self, folder: Folder, name: str, part: Part, buffer: Shaped[Tensor, " bytes"]) -> Shaped[Tensor, " part"]:
        """The part, at the beginning of the buffer."""
        path, start = folder.place(name)
        width = folder.slot(name).dtype.itemsize
        size = part.weights * width
        target, offset = raw(buffer[:size]), start + part.start * width
        while target:
            done = os.preadv(self._file(folder.path, path), [target], offset)
            if not done:
                raise OSError(f"{path} became shorter while it was read")
            target, offset = target[done:], offset + done
        return buffer[:size].view(folder.slot(name).dtype)

    def _file(self, folder: Path, path: Path) -> int:
        if not hasattr(self._own, "held"):
            self._own.held = {}
            self._all.append(self._own.held)
        held: dict[Path, tuple[Path, int]] = self._own.held
        if folder in held:
            before, descriptor = held[folder]
            if before == path:
                return descriptor
            del held[folder]
            os.close(descriptor)
        descriptor = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):  # not on macOS
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        held[folder] = (path, descriptor)
        return descriptor


def equal(reader: Reader, folder: Folder, one: str, other: str) -> bool:
    """Whether two tensors of a folder hold the same bits; reads until they differ."""
    if folder.slot(one) != folder.slot(other):
        return False
    slot = folder.slot(one)
    buffers = [buffer_for(slot.dtype.itemsize) for _ in range(2)]
    for part in parts_of(slot.weights):
        left, right = (reader.read(folder, name, part, each) for name, each in zip((one, other), buffers))
        if not torch.equal(bits(left), bits(right)):
            return False
    return True


def buffer_for(width: int) -> Shaped[Tensor, " bytes"]:
    """Room for a block of weights of `width` bytes."""
    return torch.empty(BLOCK * width, dtype=torch.uint8)
