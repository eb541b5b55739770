"""Names of models that worlds make: `world:NAME[:key=value,…]@KIND[#SEED]`."""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from expunge.errors import UnknownNameError
from expunge.models.builtin import Say

Tick = Callable[[Any, int], object]
# world → module with KINDS, read_config(options) and make(config, kinds, seeds, say=…)
_MAKERS = {"people": "expunge.worlds.people.models"}


def folder(rest: str, say: Say = lambda _: None, tick: Tick = lambda *_: None) -> Path:
    """The model that stands behind `world:`, made if it is not in the cache. `rest`: "people:size=3M@full#1".

    `say` is told what takes long, `tick` after every step of a training the progress and the number of steps.

    Raises UnknownNameError or ConfigError for a name that means nothing, before anything is made.
    """
    world, _, model = rest.partition("@")
    name, _, options = world.partition(":")
    kind, marked, seed = model.partition("#")
    if name not in _MAKERS:
        raise UnknownNameError(
            f"no world called {name!r} makes models.{_near(name, _MAKERS)} Known: {', '.join(_MAKERS)}"
        )
    maker: Any = importlib.import_module(_MAKERS[name])
    ways = ", ".join(f"world:{world}@{each}" for each in maker.KINDS)
    if not kind:
        raise UnknownNameError(f"world:{rest} names no model, but data. Its models: {ways}")
    if kind not in maker.KINDS:
        raise UnknownNameError(f"world:{rest}: no model called {kind!r}.{_near(kind, maker.KINDS)} There are: {ways}")
    if marked and not (seed.isascii() and seed.isdigit()):
        raise UnknownNameError(f"world:{rest}: a seed is a whole number: world:{world}@{kind}#0")
    config = maker.read_config(options)
    (found,) = maker.make(config, (kind,), (int(seed or 0),), say=say, tick=tick)
    return found


def _near(word: str, known: Any) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
