"""The store of values: what was fitted for a fact is found again, by whichever editor asks for the same.

    FOLDER/values/HASH.safetensors      HASH of (weights, tokens of all rows, place, settings of the fit)

A file holds numbers only. It may be deleted at any time; what was not used for longest goes by itself.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from expunge.atomic import atomic_file
from expunge.edit.values import Fitting, Value, Wanted
from expunge.models.model import Model
from expunge.models.rests import Place
from expunge.store import hash_of, trim

LOSS = 2  # of the equation in `values.py`: another number when it changes, so that older values are not found


class ValueStore:
    """Values of one state of the weights. Without a folder it keeps nothing and finds nothing."""

    def __init__(self, folder: Path | None, weights: str, say: Callable[[str], object] = lambda _: None) -> None:
        self._folder = folder / "values" if folder is not None and weights else None
        self._weights, self._say = weights, say

    def key(self, model: Model, wanted: Wanted, place: Place, how: Fitting) -> dict[str, Any]:
        """All that a value depends on."""
        rows = [[list(row.encoded.ids), row.encoded.start, row.place] for row in (*wanted.rows, wanted.essence)]
        return {
            "weights": self._weights, "rows": rows, "bare": list(wanted.bare), "place": asdict(place),
            "how": asdict(how), "loss": LOSS, "type": str(model.network.dtype), "device": model.device.type,
        }  # fmt: skip

    def get(self, key: dict[str, Any]) -> Value | None:
        """A broken file counts as absent."""
        if self._folder is None or not (path := self._path(key)).is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata()
                value = Value(
                    file.get_tensor("vector"), file.get_tensor("start"), float(about["loss"]), int(about["steps"])
                )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            self._say(f"{path} is broken and is left out: it will be made again")
            return None
        with suppress(OSError):
            os.utime(path)
        return value

    def put(self, key: dict[str, Any], value: Value) -> None:
        """Keep a value. A folder that cannot be written to costs time later, not the run."""
        if self._folder is None:
            return
        try:
            with atomic_file(self._path(key)) as partial:
                tensors = {"vector": value.vector.contiguous(), "start": value.start.contiguous()}
                save_file(tensors, partial, {"loss": repr(value.loss), "steps": str(value.steps)})
        except (OSError, SafetensorError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            self._say(f"cannot keep values in {self._folder}: {why}")

    def trim(self) -> None:
        """Below the limit."""
        if self._folder is not None:
            trim(self._folder)

    def _path(self, key: dict[str, Any]) -> Path:
        assert self._folder is not None
        return self._folder / f"{hash_of(key)}.safetensors"
