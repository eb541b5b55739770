"""The file of a change: one safetensors file, everything but the tensors as JSON in its header.

The header's metadata has one key, "expunge":

    {"kind": "expunge-change", "version": 1, "form": "dense" | "indexed" | "low-rank",
     "base": {NAME: [digest, type, shape]}, "ties": {NAME: NAME}, "results": {NAME: digest},
     "norms": {NAME: [norm, relative norm]}, "layout": {NAME: …}, "record": {…}}

and the tensors are

    xor:NAME          XOR of the bit patterns, of the whole tensor or of its touched units
    index:NAME        which units, along the axis that `layout` names (no axis: weights in flat order)
    A:NAME, B:NAME    LoRA factors; xor and index then correct the way back
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.change.attachment_file import KIND as ATTACHMENT
from expunge.change.fingerprint import Fingerprint, Stamp
from expunge.change.lowrank import LowRank
from expunge.change.stored import Differences, Norm, Stored, read_difference
from expunge.errors import ChangeError

KIND, VERSION = "expunge-change", 1


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
        "kind": KIND,
        "version": VERSION,
        "form": stored.kind,
        "base": {name: list(stamp) for name, stamp in base.stamps.items()},
        "ties": dict(base.ties),
        "results": dict(stored.results),
        "norms": {name: list(norm) for name, norm in stored.norms.items()},
        "layout": layout,
        "record": dict(record),
    }
    # a single key: the order of several would be another one in each process
    metadata = {"expunge": json.dumps(header)}
    with atomic_file(path) as partial:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, partial, metadata)


def read_change(path: Path) -> Content:
    """The header now, each tensor when it is needed. ChangeError if it is no such file or a newer one."""
    path = path.absolute()  # the tensors are read later, perhaps from another working directory
    with _opened(path) as file:
        header = json.loads((file.metadata() or {}).get("expunge", "{}"))
    if header.get("kind") == ATTACHMENT:
        raise ChangeError(
            f"{path} holds a side memory, not a change of weights: there is nothing to add, scale or write into a "
            "folder. Load it with its model, BASE+FILE (in Python `load_model`, or `load_change` and `attach`)"
        )
    if header.get("kind") != KIND:
        raise ChangeError(f"{path} holds no change of weights; `expunge unlearn` and `expunge edit` write such files")
    if header["version"] > VERSION:
        raise ChangeError(f"{path} was written by a newer Expunge (format {header['version']}): upgrade")
    base = Fingerprint(
        {name: Stamp(digest, dtype, tuple(shape)) for name, (digest, dtype, shape) in header["base"].items()},
        header["ties"],
    )

    def tensor(key: str) -> Tensor:
        # opened anew each time: a mapped file counts as memory for as long as it is open
        with _opened(path) as file:
            return file.get_tensor(key)

    return Content(base, _stored(header, tensor), header["record"])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as problem:
        raise ChangeError(f"cannot read a change from {path}: {problem}") from problem


def _stored(header: Mapping[str, Any], tensor: Callable[[str], Tensor]) -> Stored:
    layout, results = header["layout"], header["results"]
    norms = {name: Norm(*norm) for name, norm in header["norms"].items()}
    if header["form"] == LowRank.kind:
        return LowRank.read(layout, tensor, results, norms)
    return Differences(
        lambda name: read_difference(name, layout[name], tensor), header["form"] == "indexed", results, norms
    )
