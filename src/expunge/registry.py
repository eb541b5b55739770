"""One small class that maps names to registered things and finds them on first look-up."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from expunge.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names → things of one kind. The folder `package` is imported on the first look-up.

    A file registers what it holds with a decorator of its package (see `objectives`), which calls `put`.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._items: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._loaded = False

    def put(self, name: str, item: T, aliases: tuple[str, ...] = ()) -> None:
        for each in (name, *aliases):
            if each in self._items or each in self._aliases:
                raise ValueError(f"two {self.kind}s are called {each!r}")
        self._items[name] = item
        self._aliases.update(dict.fromkeys(aliases, name))

    def get(self, name: str) -> T:
        self._load()
        key = self._aliases.get(name.lower(), name.lower())
        if key in self._items:
            return self._items[key]
        near = get_close_matches(name.lower(), [*self._items, *self._aliases], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no {self.kind} called {name!r}.{hint} Known: {', '.join(sorted(self._items))}")

    def aliases(self, name: str) -> tuple[str, ...]:
        return tuple(alias for alias, target in self._aliases.items() if target == name)

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._items))

    def __len__(self) -> int:
        self._load()
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        self._load()
        return isinstance(name, str) and (name in self._items or name in self._aliases)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # first, so that a module which looks something up while loading does not recurse
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")


def options_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a registered function: what a user may set."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def summary_of(module: str) -> str:
    """The first paragraph of a module's docstring, on one line, for `expunge ls`."""
    return " ".join((importlib.import_module(module).__doc__ or "").strip().partition("\n\n")[0].split())
