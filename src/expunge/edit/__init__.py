"""Editors: changes in closed form. Each leaves the model as it was; keyword-only parameters are its options.

Editors of facts take a `Work` (`work.py`: model, facts, statistics, values) and return an `Edited`; others take the
model and its sets and return a `WeightChange`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, TypeVar

from expunge.config import EditConfig
from expunge.errors import ConfigError
from expunge.registry import Registry, options_of, summary_of

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Editor:
    """A registered editor."""

    name: str
    function: Callable[..., Any]
    paper: str
    facts: bool = False  # takes a `Work`, and the settings of `EditConfig` beside its own options

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return options_of(self.function)

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises ConfigError for an option that it does not have."""
        usual = {key: p.default for key, p in self.options.items()}
        if self.facts:
            usual |= {key: field.default for key, field in EditConfig.model_fields.items()}
        if unknown := [key for key in options if key not in usual]:
            known = ", ".join(f"{key} (default {value})" for key, value in usual.items())
            raise ConfigError(f"{self.name!r} has no option {unknown[0]!r}. Known: {known}")


class _Editors(Registry[Editor]):
    def add(self, name: str, *, paper: str, aliases: tuple[str, ...] = (), facts: bool = False) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.put(name, Editor(name, function, paper, facts), aliases)
            return function

        return register


editors = _Editors("editor", "expunge.edit")
