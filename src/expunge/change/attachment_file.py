"""The file of an attachment: one safetensors file, everything but the tensors as JSON in its header.

The header's metadata has one key, "expunge":

    {"kind": "expunge-attachment", "version": 1, "form": "codebook" | "memories",
     "base": {NAME: [digest, type, shape]}, "ties": {NAME: NAME}, "about": {…}, "record": {…}}

What `about` and the tensors mean is the form's own matter. `kind_of` tells such a file from one of a change of weights.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.change.bits import digest
from expunge.change.fingerprint import Fingerprint, Stamp
from expunge.errors import ChangeError

KIND, VERSION = "expunge-attachment", 1


class Held(NamedTuple):
    """What stands in a file."""

    form: str
    base: Fingerprint
    about: Mapping[str, Any]  # JSON
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of form, JSON and tensors: of all that is computed with."""
        parts = [self.form, json.dumps(self.about, sort_keys=True)]
        parts += [f"{name} {digest(tensor)}" for name, tensor in sorted(self.tensors.items())]
        return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def write_attachment(path: Path, held: Held) -> None:
    """Whole or not at all; the same attachment gives the same bytes."""
    header = {
        "kind": KIND, "version": VERSION, "form": held.form,
        "base": {name: list(stamp) for name, stamp in held.base.stamps.items()}, "ties": dict(held.base.ties),
        "about": dict(held.about), "record": dict(held.record),
    }  # fmt: skip
    # a single key: the order of several would be another one in each process
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in held.tensors.items()}
    with atomic_file(path) as partial:
        save_file(tensors, partial, {"expunge": json.dumps(header)})


def read_attachment(path: Path) -> Held:
    """All of it. ChangeError if it is no such file, or a newer one."""
    header = _header(path)
    if header.get("kind") != KIND:
        raise ChangeError(f"{path} holds no side memory; `expunge edit --editor grace` (or wise) writes such files")
    if header["version"] > VERSION:
        raise ChangeError(f"{path} was written by a newer Expunge (format {header['version']}): upgrade")
    base = Fingerprint(
        {name: Stamp(found, dtype, tuple(shape)) for name, (found, dtype, shape) in header["base"].items()},
        header["ties"],
    )
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Held(header["form"], base, header["about"], tensors, header["record"])


def kind_of(path: Path) -> str:
    """What a file says that it is: "expunge-change", "expunge-attachment", or "" for any other safetensors file.

    ChangeError for what is no safetensors file.
    """
    return str(_header(path).get("kind", ""))


def _header(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            return json.loads((file.metadata() or {}).get("expunge", "{}"))
    except (OSError, SafetensorError, ValueError) as problem:
        raise ChangeError(f"cannot read a change from {path}: {problem}") from problem
