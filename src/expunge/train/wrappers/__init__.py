"""Wrappers of the gradient step: they combine with any objective and with one another.

A wrapper overrides what it changes: the forward pass of the forget loss (LAT), the forget gradient (SAM), or how the
forget and retain gradients are combined (GRU). Options are the fields of its dataclass.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

from torch import Tensor, nn

from expunge.config import parse_name
from expunge.data.forest import Forest
from expunge.errors import ConfigError
from expunge.models.layout import Layout
from expunge.models.model import Model
from expunge.objectives.options import checked
from expunge.registry import Registry

Gradient = dict[str, Tensor]
Parameters = dict[str, nn.Parameter]


@dataclass
class Wrapper:
    """Changes nothing; the base of every wrapper."""

    name: ClassVar[str] = ""
    nudges: ClassVar[bool] = False  # moves the weights by little, for a moment

    def check(self, layout: Layout, layer: int | None) -> None:
        """ConfigError if it cannot act on a forget loss that reads the block `layer` (None: the last one)."""

    def around(self, model: Model, forest: Forest, answer: Tensor) -> AbstractContextManager[object]:
        """Entered for the forget loss of a micro-batch; `answer` marks the tokens of the answers to forget."""
        return nullcontext()

    def forget_gradient(self, compute: Callable[[], Gradient], parameters: Parameters) -> Gradient:
        """`compute()` gives the gradient of the forget loss at the parameters as they are."""
        return compute()

    def combine(self, forget: Gradient, retain: Gradient) -> Gradient:
        """The gradient that the optimizer gets. The sum, unless a wrapper says otherwise."""
        return {name: forget[name] + retain[name] if name in retain else forget[name] for name in forget}

    @property
    def disturbs(self) -> bool:
        """Is the forget loss taken of another model than the one that is trained?"""
        return self.enters or type(self).forget_gradient is not Wrapper.forget_gradient

    @property
    def enters(self) -> bool:
        """Does it act within the forward pass of the forget loss?"""
        return type(self).around is not Wrapper.around

    @property
    def combines(self) -> bool:
        """Does it need the two gradients apart?"""
        return type(self).combine is not Wrapper.combine

    def state(self) -> Gradient:
        """Tensors that a checkpoint must hold."""
        return {}

    def load_state(self, state: Gradient) -> None:
        """Take back what `state` gave."""


wrappers: Registry[type[Wrapper]] = Registry("wrapper", __name__)
W = TypeVar("W", bound=type[Wrapper])


def add(name: str) -> Callable[[W], W]:
    """Register a wrapper class under `name`."""

    def register(wrapper: W) -> W:
        wrapper.name = name
        wrappers.put(name, wrapper)
        return wrapper

    return register


def bind_wrappers(texts: Sequence[str]) -> list[Wrapper]:
    """Wrappers from "sam:rho=0.02", "gru", … Raises UnknownNameError or ConfigError."""
    bound = []
    for text in texts:
        name, options = parse_name(text)
        kind = wrappers.get(name)
        known = {field.name: field for field in fields(kind) if not field.name.startswith("_")}
        if unknown := [key for key in options if key not in known]:
            listed = ", ".join(f"{key} (default {field.default})" for key, field in known.items())
            raise ConfigError(f"wrapper {name!r} has no option {unknown[0]!r}. Known: {listed}")
        values = {key: checked(f"option {key!r} of {name!r}", value, known[key].type) for key, value in options.items()}
        bound.append(kind(**values))
    if sum(wrapper.combines for wrapper in bound) > 1:
        raise ConfigError("two wrappers want to combine the forget and the retain gradient: choose one")
    return bound
