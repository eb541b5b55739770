"""Choosing α: how far to extrapolate, by what a few forward passes say of each candidate. One rule a file.

A selector gets the curve, which measures what it is asked for, and the goal; it says which α it takes and why. None of
them is UIPE's, whose authors choose α by hand and name an automatic choice as future work. All keep to what §6.14 of
the design fixes before the test: utility on one half of the retain set, never the most extreme number, and overshoot
(beyond what a model that never knew would say) is a failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal, Never, Point
from expunge.registry import Registry, summary_of

Choose = Callable[[Curve, Goal], Chosen]
F = TypeVar("F", bound=Choose)


@dataclass(frozen=True)
class Selector:
    """A registered rule."""

    name: str
    function: Choose
    never: bool = False  # needs a never-known level
    related: bool = False  # needs a set of related knowledge
    directed: bool = False  # goes along the directed change, not along the change itself

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)


class _Selectors(Registry[Selector]):
    def add(self, name: str, **parts: bool) -> Callable[[F], F]:
        """The decorator of a rule; `parts` are fields of `Selector`."""

        def register(function: F) -> F:
            self.put(name, Selector(name, function, **parts))
            return function

        return register


selectors = _Selectors("selector of alpha", "expunge.arithmetic.alpha")
__all__ = ["Chosen", "Curve", "Goal", "Never", "Point", "Selector", "selectors"]
