"""The store of key statistics: what was taken over a corpus is found again, and a run that was killed goes on.

    FOLDER/statistics/HASH.safetensors      HASH of (model, tokenizer, layer, corpus, tokens, type)

Files hold numbers only. They may be deleted at any time; beyond `LIMIT` bytes those go that were not used for longest.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.store import hash_of, trim

LIMIT = 2**34  # bytes of all that is kept: a layer of a large model takes half a GB, and one edit reads several
Say = Callable[[str], object]


@dataclass(frozen=True)
class Statistics:
    """Of one layer."""

    moment: Float[Tensor, "d_ff d_ff"]  # C, float64
    tokens: int
    energy: float  # E‖k‖² without each piece's first token: the attention sink there may outweigh all the rest


class Kept:
    """The files of one model and corpus; without a folder it keeps nothing and finds nothing."""

    def __init__(self, folder: Path | None, key: dict[str, Any], say: Say) -> None:
        self._folder = None if folder is None else folder / "statistics"
        self._key, self._say = key, say

    def _path(self, what: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{hash_of({**self._key, 'what': what})}.safetensors"

    def get(self, layer: int) -> Statistics | None:
        found = _load(self._path(f"layer {layer}"))
        if found is None:
            return None
        return Statistics(found[0]["moment"], int(found[1]["tokens"]), float(found[1]["energy"]))

    def put(self, layer: int, each: Statistics) -> None:
        self._save(
            self._path(f"layer {layer}"),
            {"moment": each.moment},
            {"tokens": str(each.tokens), "energy": repr(each.energy)},
        )

    def begun(self, layers: Sequence[int]) -> tuple[dict[int, Tensor], Tensor, int, int] | None:
        found = _load(self._path(f"begun {list(layers)}"))
        if found is None:
            return None
        sums, about = found
        by_layer = {layer: sums[str(layer)] for layer in layers}
        return by_layer, sums["firsts"], int(about["count"]), int(about["done"])

    def note(self, layers: Sequence[int], sums: dict[int, Tensor], firsts: Tensor, count: int, done: int) -> None:
        tensors = {"firsts": firsts, **{str(layer): sums[layer] for layer in layers}}
        self._save(self._path(f"begun {list(layers)}"), tensors, {"count": str(count), "done": str(done)})

    def forget(self, layers: Sequence[int]) -> None:
        if (path := self._path(f"begun {list(layers)}")) is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            trim(path.parent, LIMIT)

    def _save(self, path: Path | None, tensors: dict[str, Tensor], about: dict[str, str]) -> None:
        """A folder that cannot be written to costs time later, not the run."""
        if path is None:
            return
        try:
            with atomic_file(path) as partial:
                save_file({name: each.contiguous() for name, each in tensors.items()}, partial, about)
        except (OSError, SafetensorError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            self._say(f"cannot keep key statistics in {path.parent}: {why}")


def _load(path: Path | None) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """A file that is not there, or is broken, counts as none."""
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    with suppress(OSError):
        os.utime(path)  # used just now: see `trim`
    return found
