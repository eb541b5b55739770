"""Checkpoints: everything a killed run needs to go on to the same bits. safetensors only, written atomically.

A folder holds `step-N.safetensors` (masters, moments, wrapper state; the loop's state as JSON in its header),
`best-N.safetensors` (weights of the kept point), `phase-N.safetensors` (weights at the end of a phase, where they
are asked for) and `start.safetensors` (weights before training). A new checkpoint is complete before the old one goes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.errors import ConfigError


class Checkpoints:
    """The checkpoints of one run, in one folder. Of several processes that share it, one `writes`."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self._writes = writes
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write the state after `step` steps, then drop older checkpoints and weights that nothing refers to."""
        if not self._writes:
            return
        _write(tensors, self._path("step", step), {"state": json.dumps(state)})
        for path in self.folder.glob("step-*.safetensors"):
            if path != self._path("step", step):
                path.unlink()
        for path in self.folder.glob("best-*.safetensors"):
            if path != self._path("best", state["best"]):
                path.unlink()

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest complete checkpoint, or None."""
        paths = sorted(self.folder.glob("step-*.safetensors"))
        if not paths:
            return None
        with safe_open(paths[-1], framework="pt") as file:
            state = json.loads(file.metadata()["state"])
        return load_file(paths[-1]), state

    def save_best(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Keep the weights of a point, in place of those kept before: a resumed run makes this point again."""
        if self._writes:
            _write(weights, self._path("best", step))
            for path in self.folder.glob("best-*.safetensors"):
                if path != self._path("best", step):
                    path.unlink()

    def load_best(self, step: int) -> dict[str, Tensor]:
        return load_file(self._path("best", step))

    def save_phase(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Keep the weights at the end of a phase, beside those of other phases."""
        if self._writes:
            _write(weights, self._path("phase", step))

    def load_phase(self, step: int) -> dict[str, Tensor]:
        """Mapped from the file, not read."""
        return load_file(self._path("phase", step))

    def save_start(self, weights: Mapping[str, Tensor], *, model: str, resume: bool) -> None:
        """Put the weights before training on disk, so that no second model lies in memory.

        `model`: the identity of all of it, for what does not train counts as well. A run that does not resume drops
        what an earlier one left here. Raises ConfigError when a run is resumed from another model than it was started
        with.
        """
        path = self.folder / "start.safetensors"
        if self._writes:  # what a kill left half written
            for partial in self.folder.glob(".*.partial"):
                partial.unlink()
        if resume and path.exists():
            known = load_file(path)
            odd = [
                n for n in {**known, **weights} if n not in known or n not in weights or not _same(known[n], weights[n])
            ]
            if odd:
                raise ConfigError(
                    f"{self.folder}: the run to resume was started from other weights ({len(odd)} tensors "
                    f"differ, the first is {odd[0]}). Give the model that it was started with, or begin anew in "
                    "another folder"
                )
            if _noted(path, "model") not in (None, model):  # an earlier version noted none
                raise ConfigError(
                    f"{self.folder}: the run to resume was started from another model, whose weights that stay as they "
                    "are differ. Give the model that it was started with, or begin anew in another folder"
                )
        elif self._writes:
            for kind in ("step", "best", "phase"):
                for old in self.folder.glob(f"{kind}-*.safetensors"):
                    old.unlink()
            _write(weights, path, {"model": model})

    def load_start(self) -> dict[str, Tensor]:
        """Mapped from the file, not read."""
        return load_file(self.folder / "start.safetensors")

    def _path(self, kind: str, step: int) -> Path:
        return self.folder / f"{kind}-{step:08d}.safetensors"


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other.detach().cpu())


def _noted(path: Path, name: str) -> str | None:
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get(name)


def _write(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    with atomic_file(path) as partial:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial, metadata)
