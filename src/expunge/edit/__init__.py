"""Editors: changes in closed form, or side memories. Each leaves the model as it was; keyword-only parameters are its
options.

Editors of facts take a `Work` (`work.py`: model, facts, statistics, values) and return an `Edited`; others take the
model and its sets and return a `WeightChange`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, TypeVar

from expunge.config import EditConfig
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.objectives.options import options_among
from expunge.registry import Registry, options_of, summary_of

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Editor:
    """A registered editor."""

    name: str
    function: Callable[..., Any]
    paper: str
    facts: bool = False  # takes a `Work`, and the settings of `EditConfig` beside its own options
    attaches: bool = False  # gives an attachment: what it does hangs beside the weights
    leaves: tuple[str, ...] = ()  # settings of `EditConfig` that mean nothing to it
    ready: Callable[[Sets, Mapping[str, Any]], None] | None = None  # ConfigError where the sets lack what it needs

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return options_of(self.function)

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Its own options, each as the type of its parameter; those of `EditConfig` are left to their class.

        Raises ConfigError for an option that it does not have, for a wrong type and for a value out of range.
        """
        shared = {k: v for k, v in EditConfig.model_fields.items() if self.facts and k not in self.leaves}
        if unknown := [key for key in options if key not in self.options and key not in shared]:
            usual = {key: p.default for key, p in self.options.items()}
            usual |= {key: field.default for key, field in shared.items()}
            known = ", ".join(f"{key} (default {value})" for key, value in usual.items())
            raise ConfigError(f"{self.name!r} has no option {unknown[0]!r}. Known: {known}")
        own = {key: value for key, value in options.items() if key not in shared}
        return options_among(repr(self.name), self.options, own)


class _Editors(Registry[Editor]):
    def add(
        self, name: str, *, paper: str, aliases: tuple[str, ...] = (), facts: bool = False, **parts: Any
    ) -> Callable[[F], F]:
        """The decorator of an editor; `parts` are further fields of `Editor`."""

        def register(function: F) -> F:
            self.put(name, Editor(name, function, paper, facts, **parts), aliases)
            return function

        return register


editors = _Editors("editor", "expunge.edit")
