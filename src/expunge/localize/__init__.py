"""Localizers: which units of a model hold what is to be forgotten, one scoring rule a file.

Positional: the `Scene`; keyword-only: the options. A localizer returns a score for every unit, higher for those to be
chosen and -∞ for those that never are; `localizing.localize` makes a mask of the highest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any, Literal, TypeVar

from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.localize.units import GRANULARITIES, Units
from expunge.models.gradients import mean_gradient
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.objectives.options import options_among
from expunge.registry import Registry, options_of, summary_of

Which = Literal["forget", "retain"]
Scorer = Callable[..., Float[Tensor, " units"]]
F = TypeVar("F", bound=Scorer)
ALL = tuple(GRANULARITIES)


@dataclass(frozen=True)
class Scene:
    """What a localizer looks at. The model is left as it was."""

    model: Model
    units: Units
    encoder: Encoder
    forget: Sequence[Example]
    retain: Sequence[Example] = ()
    seed: int = 0
    budget: int = 512  # tokens of a forward pass: memory, not results
    bf16: bool = False
    tick: Callable[[int], object] = lambda _: None  # how many examples are done since the last call
    notes: list[str] = field(default_factory=list)  # remarks for the record

    def encoded(self, which: Which) -> list[Encoded]:
        """The tokens of a set."""
        return self.encoder.encode_all(self.forget if which == "forget" else self.retain)

    def weights(self) -> Mapping[str, Tensor]:
        """The parameters that units have weights in."""
        named = plain_parameters(self.model.network)
        return {name: named[name].detach() for name in self.units.parameters}

    def gradient(self, which: Which) -> dict[str, Tensor]:
        """Name → the gradient of a set's mean NLL per answer token (`models/gradients.py`), one buffer."""
        return mean_gradient(
            self.model, self.units.parameters, self.encoded(which), budget=self.budget, bf16=self.bf16, tick=self.tick
        )


@dataclass(frozen=True)
class Localizer:
    """A registered localizer."""

    name: str
    function: Scorer
    paper: str
    granularities: tuple[str, ...] = ALL  # at which it is defined; the first is its own
    looks_at: tuple[Which, ...] = ("forget",)
    subjects: bool = False  # whether it needs the subject of each question
    budgeted: bool = True  # False: it knows how much it chooses
    checks: Callable[[Mapping[str, Any]], object] = lambda _: None  # raises ConfigError for options that do not do
    rounds: Callable[..., int] = lambda scene, **_: 1  # how often it goes through its sets, by scene and options

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return options_of(self.function)

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def check(self, options: Mapping[str, Any], granularity: str) -> dict[str, Any]:
        """The options, each as the type of its parameter.

        Raises ConfigError for one that it does not have and for a granularity at which it is not defined.
        """
        if granularity not in self.granularities:
            known = ", ".join(self.granularities)
            raise ConfigError(f"{self.name!r} is not defined for {granularity!r}. It scores: {known}")
        return options_among(f"localizer {self.name!r}", self.options, options)


class _Localizers(Registry[Localizer]):
    def add(self, name: str, *, paper: str, aliases: tuple[str, ...] = (), **parts: Any) -> Callable[[F], F]:
        """The decorator of a scoring rule; `parts` are fields of `Localizer`."""

        def register(function: F) -> F:
            self.put(name, Localizer(name, function, paper, **parts), aliases)
            return function

        return register


localizers = _Localizers("localizer", "expunge.localize")
__all__ = ["ALL", "Localizer", "Scene", "Which", "localizers"]
