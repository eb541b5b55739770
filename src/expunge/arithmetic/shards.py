"""safetensors files, tensor by tensor (the library writes a file from tensors that are all in memory).

The format: eight bytes with the header's length, the header as JSON (name → type, shape, place of the bytes),
and the tensors' bytes without gaps. https://huggingface.co/docs/safetensors
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from expunge.arithmetic.overlapping import Behind
from expunge.change.bits import raw
from expunge.errors import ModelError

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "BOOL": torch.bool,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "C64": torch.complex64,
}  # fmt: skip
_TAGS = {dtype: tag for tag, dtype in _TYPES.items()}


class Slot(NamedTuple):
    """Type and shape of a tensor in a file."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def weights(self) -> int:
        """How many."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.weights * self.dtype.itemsize


class Shard(NamedTuple):
    """What the header of a file says; `slots` in the order of their bytes."""

    path: Path
    slots: dict[str, Slot]
    offsets: dict[str, int]  # where in the file the bytes of a tensor begin
    metadata: dict[str, str]


def read_shard(path: Path) -> Shard:
    """ModelError if the file is no safetensors file, or is cut off."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("the file is shorter than its header")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        ordered = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
        slots = {name: Slot(_TYPES[entry["dtype"]], tuple(entry["shape"])) for name, entry in ordered}
        offsets = {name: 8 + length + entry["data_offsets"][0] for name, entry in ordered}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ModelError(f"{path} is not a whole safetensors file ({problem}): get it again") from problem
    if 8 + length + sum(slot.size for slot in slots.values()) != path.stat().st_size:
        raise ModelError(f"{path} is not a whole safetensors file (its size is wrong): get it again")
    return Shard(path, slots, offsets, metadata)


def write_shard(
    path: Path,
    slots: Mapping[str, Slot],
    pieces: Callable[[str], Iterable[Tensor]],
    metadata: Mapping[str, str],
    behind: Behind,
) -> None:
    """Write the tensors in the order of `slots`, asking for one after the other, whole or in pieces in flat order.

    A piece's memory may be used again when as many further ones were given as `behind` is deep. The file is whole, and
    on the disk, when `behind` is done.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, slot in slots.items():
        offsets = [start, start := start + slot.size]
        header[name] = {"dtype": _TAGS[slot.dtype], "shape": list(slot.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file = path.open("wb", buffering=0)
    behind.closing.callback(file.close)
    behind(_write, file, len(text).to_bytes(8, "little") + text)
    for name, slot in slots.items():
        written = 0
        for piece in pieces(name):
            assert piece.dtype == slot.dtype, f"{name} is not what the header promises"
            written += piece.numel()
            if piece.numel():
                behind(_write, file, raw(piece))
        assert written == slot.weights, f"{name} is not what the header promises"
    behind(_finish, file)


def _write(file: FileIO, data: bytes | memoryview) -> None:
    """All of it: a raw file may take less at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _finish(file: FileIO) -> None:
    """A folder that is renamed when it is whole must be whole after a power failure, too."""
    os.fsync(file.fileno())
    file.close()
