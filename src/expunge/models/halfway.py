"""A long computation that goes on where it was killed: its tensors in one file, written every now and then."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.store import JSON, Say, hash_of


class Halfway:
    """`load` gives what `save` wrote last, if it was for the same `key`; else nothing. Without a path nothing is kept.

    What cannot be read counts as nothing: it is made again.
    """

    def __init__(
        self, path: Path | None, key: Mapping[str, JSON], *, every: float = 30.0, say: Say | None = None
    ) -> None:
        """`say` is told where nothing can be written, which then costs time after a kill; without it that raises."""
        self._path, self._key, self._every, self._say = path, hash_of(key), every, say
        self._saved = time.monotonic()

    def load(self) -> dict[str, Tensor]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            with safe_open(self._path, framework="pt") as file:
                if (file.metadata() or {}).get("key") != self._key:
                    return {}
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return {}

    @property
    def due(self) -> bool:
        """Whether some time has gone by since the last writing."""
        return time.monotonic() - self._saved >= self._every

    def save(self, **tensors: Tensor) -> None:
        """Written only when it is due: it may be called after every step."""
        if self._path is None or not self.due:
            return
        self._saved = time.monotonic()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self._path) as partial:
                save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, {"key": self._key})
        except (OSError, SafetensorError) as error:
            if self._say is None:
                raise
            self._say(f"cannot keep what is done in {self._path.parent}: {error}")


class Once:
    """Results by name, each computed once; what a killed run had of them is not computed again.

    `once(name, compute)` gives what `compute()` gave the first time.
    """

    def __init__(self, halfway: Halfway) -> None:
        self._halfway, self._known = halfway, halfway.load()

    def __call__(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        if name not in self._known:
            self._known[name] = compute()
            self._halfway.save(**self._known)
        return self._known[name]


NOWHERE = Halfway(None, {})
