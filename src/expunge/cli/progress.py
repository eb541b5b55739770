"""Progress on stderr: a bar for every phase, so that stdout stays free for the result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from expunge.runs.phases import Phases

_QUIET = 60.0  # seconds between two lines of a log


class Bars(Phases):
    """Phases shown with rich; without a terminal, a line a minute and one when a phase ends."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)

    @contextmanager
    def shown(self, name: str, total: int | None) -> Iterator[Callable[..., None]]:
        columns = (
            TextColumn("{task.description:<28}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[remark]}"),
        )  # fmt: skip
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            task = progress.add_task(name, total=total, remark="")

            said = time.monotonic()

            def tick(advance: int = 1, remark: str = "", total: int | None = None) -> None:
                nonlocal said
                progress.update(task, advance=advance, remark=remark, total=total)
                if not self._console.is_terminal and time.monotonic() - said > _QUIET:
                    said = time.monotonic()
                    far = progress.tasks[0]
                    done = remark or f"{far.completed:.0f} of {far.total or '?'}"
                    self._console.print(f"{name}: {done}", highlight=False)

            yield tick
            progress.update(task, total=progress.tasks[0].completed or 1, completed=progress.tasks[0].completed or 1)
        if not self._console.is_terminal:
            self._console.print(f"{name}: done", highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)
