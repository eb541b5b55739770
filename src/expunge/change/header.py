"""What files of changes have in common: safetensors, and everything but the tensors as JSON in the header.

Its metadata has one key, "expunge": the order of several would be another one in each process. `kind` says what the
file holds, `version` its format, `base` and `ties` which weights it belongs to.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.change.fingerprint import Fingerprint, Stamp
from expunge.errors import ChangeError

CHANGE, ATTACHMENT = "expunge-change", "expunge-attachment"  # kinds


def write(path: Path, header: Mapping[str, Any], base: Fingerprint, tensors: Mapping[str, Tensor]) -> None:
    """Whole or not at all; the same content gives the same bytes."""
    of_base = {"base": {name: list(stamp) for name, stamp in base.stamps.items()}, "ties": dict(base.ties)}
    metadata = {"expunge": json.dumps({**header, **of_base})}
    with atomic_file(path) as partial:
        save_file({name: each.detach().cpu().contiguous() for name, each in tensors.items()}, partial, metadata)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """ChangeError for what is no safetensors file."""
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as problem:
        if (inside := path / "change.safetensors").is_file():
            raise ChangeError(f"{path} is a folder: did you mean {inside}?") from problem
        raise ChangeError(f"cannot read a change from {path}: {problem}") from problem


def header_of(path: Path) -> dict[str, Any]:
    """{} for a safetensors file of another origin; ChangeError for what is none."""
    with opened(path) as file:
        return json.loads((file.metadata() or {}).get("expunge", "{}"))


def base_of(header: Mapping[str, Any]) -> Fingerprint:
    stamps = {name: Stamp(digest, dtype, tuple(shape)) for name, (digest, dtype, shape) in header["base"].items()}
    return Fingerprint(stamps, header["ties"])


def check_version(path: Path, header: Mapping[str, Any], known: int) -> None:
    """ChangeError for a newer format."""
    if header["version"] > known:
        raise ChangeError(f"{path} was written by a newer Expunge (format {header['version']}): upgrade")
