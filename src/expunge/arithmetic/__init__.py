"""Arithmetic on weights that stream: a file is open and a few blocks are in memory, at any model size.

An operation is a function of task vectors, one a file. Positional: `vectors`, τ_t = θ_t - θ_base in float32, one row a
tuned model, and, where it asks for them, `place` (which weights these are) and `prepared` (what its `prepare` found in
a pass of its own); keyword-only: its options. It returns the step that is added to the home model's weights: the
base's, or with `home="tuned"` the tuned model's. `combining.py` runs it over folders.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from inspect import Parameter, signature
from typing import Any, Literal, NamedTuple, TypeVar

from jaxtyping import Float
from torch import Tensor

from expunge.errors import ConfigError
from expunge.objectives.options import options_among
from expunge.registry import Registry, options_of, summary_of

Vectors = Float[Tensor, "models weights"]
Step = Float[Tensor, " weights"]
F = TypeVar("F", bound=Callable[..., Tensor])


class Place(NamedTuple):
    """Which weights a block holds: those of a tensor from `start` on, in flat order. Tied tensors have one name."""

    name: str
    start: int


class Survey(ABC):
    """What `prepare` looks at."""

    names: tuple[str, ...]  # of all tensors that training may have changed, a tied one once
    models: int

    @abstractmethod
    def __call__(self, name: str | None = None) -> Iterable[Vectors]:
        """The task vectors block by block, of one tensor or of all; each call reads them again."""

    @abstractmethod
    def weights(self, name: str | None = None) -> int:
        """How many there are."""


@dataclass(frozen=True)
class Operation:
    """A registered operation."""

    name: str
    function: Callable[..., Tensor]
    paper: str
    home: Literal["base", "tuned"] = "base"
    several: bool = False  # takes more than one tuned model
    prepare: Callable[[Survey, Mapping[str, Any]], Any] | None = None  # makes `prepared` of the survey and the options
    reads: int = 1  # how often the weights are gone through, for the progress

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return options_of(self.function)

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def check(self, options: Mapping[str, Any], models: int = 1) -> dict[str, Any]:
        """All options, each as the type of its parameter, those that are not given with their defaults.

        Raises ConfigError for one that it does not have or that is missing, and for more models than it takes.
        """
        given = options_among(f"operation {self.name!r}", self.options, options)
        if missing := [name for name, p in self.options.items() if p.default is p.empty and name not in given]:
            raise ConfigError(f"operation {self.name!r} needs {missing[0]!r}: {self.name}:{missing[0]}=NUMBER")
        if models > 1 and not self.several:
            raise ConfigError(f"operation {self.name!r} takes one tuned model, and {models} are given")
        return {name: given.get(name, p.default) for name, p in self.options.items()}

    def step(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Tensor:
        """The function on those of `given` that it asks for."""
        asked = [name for name, p in signature(self.function).parameters.items() if p.kind is not p.KEYWORD_ONLY]
        return self.function(*(given[name] for name in asked), **options)


def summed(vectors: Vectors) -> Step:
    """Σ_t τ_t in the order of the models, one by one: a reduction may group them by the size of a block."""
    return reduce(Tensor.add, vectors)


class _Operations(Registry[Operation]):
    def add(self, name: str, *, paper: str, aliases: tuple[str, ...] = (), **parts: Any) -> Callable[[F], F]:
        """The decorator of an operation; `parts` are fields of `Operation`."""

        def register(function: F) -> F:
            self.put(name, Operation(name, function, paper, **parts), aliases)
            return function

        return register


operations = _Operations("operation on weights", "expunge.arithmetic")
__all__ = ["Operation", "Place", "Step", "Survey", "Vectors", "operations", "summed"]
