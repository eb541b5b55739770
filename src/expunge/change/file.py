"""The file of a change: one safetensors file, everything but the tensors as JSON in its header.

The header (`header.py`):

    {"kind": "expunge-change", "version": 1, "form": "dense" | "indexed" | "low-rank",
     "base": {NAME: [digest, type, shape]}, "ties": {NAME: NAME}, "results": {NAME: digest},
     "norms": {NAME: [norm, relative norm]}, "layout": {NAME: …}, "record": {…}}

and the tensors are

    xor:NAME          XOR of the bit patterns, of the whole tensor or of its touched units
    index:NAME        which units, along the axis that `layout` names (no axis: weights in flat order)
    A:NAME, B:NAME    LoRA factors; xor and index then correct the way back
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from expunge.change.fingerprint import Fingerprint
from expunge.change.header import ATTACHMENT, CHANGE, base_of, check_version, header_of, opened, write
from expunge.change.lowrank import LowRank
from expunge.change.stored import Differences, Norm, Stored, read_difference
from expunge.errors import ChangeError

VERSION = 1


class Content(NamedTuple):
    """What stands in a file."""

    base: Fingerprint
    stored: Stored
    record: Mapping[str, Any]


def write_change(path: Path, content: Content) -> None:
    """Whole or not at all; the same change gives the same bytes."""
    base, stored, record = content
    layout, tensors = stored.parts()
    header = {
        "kind": CHANGE, "version": VERSION, "form": stored.kind, "results": dict(stored.results),
        "norms": {name: list(norm) for name, norm in stored.norms.items()}, "layout": layout, "record": dict(record),
    }  # fmt: skip
    write(path, header, base, tensors)


def read_change(path: Path) -> Content:
    """The header now, each tensor when it is needed. ChangeError if it is no such file or a newer one."""
    path = path.absolute()  # the tensors are read later, perhaps from another working directory
    header = header_of(path)
    if header.get("kind") == ATTACHMENT:
        raise ChangeError(
            f"{path} holds a side memory, not a change of weights: there is nothing to add, scale or write into a "
            "folder. Load it with its model, BASE+FILE (in Python `load_model`, or `load_change` and `attach`)"
        )
    if header.get("kind") != CHANGE:
        raise ChangeError(f"{path} holds no change of weights; `expunge unlearn` and `expunge edit` write such files")
    check_version(path, header, VERSION)

    def tensor(key: str) -> Tensor:
        # opened anew each time: a mapped file counts as memory for as long as it is open
        with opened(path) as file:
            return file.get_tensor(key)

    return Content(base_of(header), _stored(header, tensor), header["record"])


def _stored(header: Mapping[str, Any], tensor: Callable[[str], Tensor]) -> Stored:
    layout, results = header["layout"], header["results"]
    norms = {name: Norm(*norm) for name, norm in header["norms"].items()}
    if header["form"] == LowRank.kind:
        return LowRank.read(layout, tensor, results, norms)
    return Differences(
        lambda name: read_difference(name, layout[name], tensor), header["form"] == "indexed", results, norms
    )
