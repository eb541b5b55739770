"""The file of an attachment: one safetensors file, everything but the tensors as JSON in its header.

The header (`header.py`):

    {"kind": "expunge-attachment", "version": 2, "form": "codebook" | "memories",
     "base": {NAME: [digest, type, shape]}, "ties": {NAME: NAME}, "about": {…}, "record": {…}}

What `about` and the tensors mean is the form's own matter. Format 1, which is still read, had the tokens of a
codebook's targets where format 2 has digests of them.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from expunge.change.bits import digest
from expunge.change.fingerprint import Fingerprint
from expunge.change.header import ATTACHMENT, base_of, check_version, header_of, opened, write
from expunge.errors import ChangeError

VERSION = 2


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
        "kind": ATTACHMENT, "version": VERSION, "form": held.form, "about": dict(held.about),
        "record": dict(held.record),
    }  # fmt: skip
    write(path, header, held.base, held.tensors)


def read_attachment(path: Path) -> Held:
    """All of it. ChangeError if it is no such file, or a newer one."""
    header = header_of(path)
    if header.get("kind") != ATTACHMENT:
        raise ChangeError(f"{path} holds no side memory; `expunge edit --editor grace` (or wise) writes such files")
    check_version(path, header, VERSION)
    with opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Held(header["form"], base_of(header), header["about"], tensors, header["record"])
