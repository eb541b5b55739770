"""Phases of a run: named, timed, and shown by whoever is listening."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Phases:
    """Times each phase. A subclass shows it; this one is silent."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """Within the block the phase runs; call what it yields with how much is done (and a short remark)."""
        started = time.monotonic()
        try:
            with self.shown(name, total) as tick:
                yield tick
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within the block `seconds` are those of the block alone, for a record of its own; afterwards all of them."""
        before, self.seconds = self.seconds, {}
        try:
            yield
        finally:
            for name, value in self.seconds.items():
                before[name] = round(before.get(name, 0.0) + value, 3)
            self.seconds = before

    @contextmanager
    def shown(self, name: str, total: int | None) -> Iterator[Callable[..., None]]:
        """What a subclass overrides."""
        yield lambda advance=1, remark="", total=None: None

    def say(self, text: str) -> None:
        """A line for a person to read."""
