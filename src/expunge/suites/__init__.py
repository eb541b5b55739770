"""Suites: public benchmarks behind one interface, one a file.

A suite is a function from what stands behind its name's colon ("tofu:forget05" → "forget05") to a `Suite`. It reads
official files from a folder where the user has them, else from the Hub.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from expunge.registry import Registry, summary_of
from expunge.suites.suite import Published, Suite

__all__ = ["Published", "Suite", "SuiteEntry", "suites"]

F = TypeVar("F", bound=Callable[[str], Suite])


@dataclass(frozen=True)
class SuiteEntry:
    """A registered suite."""

    name: str
    function: Callable[[str], Suite]
    variants: tuple[str, ...]  # what may stand behind the colon, the default first
    size: str  # for people: "4,000 questions, 5 MB"
    source: str  # where the data come from
    licence: str
    paper: str

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)


class Suites(Registry[SuiteEntry]):
    """The registry; worlds have one of their own of the same kind."""

    def add(
        self, name: str, *, variants: tuple[str, ...], size: str, source: str, licence: str, paper: str = "",
    ) -> Callable[[F], F]:  # fmt: skip
        def register(function: F) -> F:
            self.put(name, SuiteEntry(name, function, variants, size, source, licence, paper))
            return function

        return register


suites = Suites("suite", "expunge.suites")
