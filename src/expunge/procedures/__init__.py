"""Procedures: methods that are more than one objective, in more than one training. One a file.

A procedure is a function of a model, its sets and the settings of a training; `options` of the settings are its own,
checked against its settings class. The model is left with the bits that it had.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from expunge.change import WeightChange
from expunge.config import Config, TrainConfig, settings
from expunge.data.example import Sets
from expunge.mask import Mask
from expunge.models.layout import Layout
from expunge.registry import Registry, summary_of
from expunge.train.trained import Trained

Phase = Callable[[str], AbstractContextManager[Callable[..., Any]]]  # yields what is told how much is done
F = TypeVar("F", bound=Callable[..., "Proceeded"])


@dataclass(frozen=True)
class Proceeded:
    """What a procedure gives back: what was trained, what could change, and what else there is to keep."""

    trained: Trained[WeightChange]
    mask: Mask
    granularity: str
    chosen: int  # units of the mask
    units: int  # of all
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # name → text, for the run's folder


@dataclass(frozen=True)
class Procedure:
    """A registered procedure."""

    name: str
    function: Callable[..., Proceeded]
    paper: str
    settings: type[Config]  # of its options
    checks: Callable[[TrainConfig, Any], object]  # raises for settings that do not go with it
    ready: Callable[[Sets, Any], object]  # raises where the sets lack what it needs, by its options
    fits: Callable[[Layout, TrainConfig, Any], object]  # raises for blocks that the network has not

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def check(self, config: TrainConfig) -> Any:
        """Its options as settings. Raises ConfigError for what is unknown or does not fit, before a model is loaded."""
        options = settings(self.settings, config.options, self.name)
        self.checks(config, options)
        return options


class _Procedures(Registry[Procedure]):
    def add(self, name: str, *, aliases: tuple[str, ...] = (), **parts: Any) -> Callable[[F], F]:
        """The decorator of a procedure; `parts` are fields of `Procedure`."""

        def register(function: F) -> F:
            self.put(name, Procedure(name, function, **parts), aliases)
            return function

        return register


procedures = _Procedures("procedure", "expunge.procedures")
