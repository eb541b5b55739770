"""Reading, working and writing at once: some threads make what comes next, another writes what is done.

They let go of the interpreter while they wait for the disk, and so does torch while it counts.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch

THREADS = 2  # that read and count; more would wait for the disk
AHEAD = 3  # things that are read before they are needed, and as many that wait to be written
T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterable[T], make: Callable[[T], R], threads: int = 1) -> Generator[tuple[T, R], None, None]:
    """Each item, in order, with what `make` makes of it in other threads, `AHEAD` items before it is asked for."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads, "read")
    try:
        for item in items:
            waiting.append((item, pool.submit(make, item)))
            if len(waiting) > AHEAD:
                first, done = waiting.popleft()
                yield first, done.result()
        while waiting:
            first, done = waiting.popleft()
            yield first, done.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch counts in one thread within the block: for so little at a time several wait more than they work, and on a
    busy machine for each other (twenty times longer where two programs want two processors)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Behind:
    """Does what it is given in order, in another thread; whoever gives waits while more than `depth` are undone."""

    def __init__(self, depth: int = AHEAD) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(1, "write")
        self._undone: deque[Future[Any]] = deque()
        self.closing = ExitStack()  # what is to be closed at the end, also after an error

    def __call__(self, what: Callable[..., object], *arguments: Any) -> None:
        self._undone.append(self._pool.submit(what, *arguments))
        self._settle(self._depth)

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ends when everything is done; after an error of the block nothing further is begun."""
        with self.closing:
            try:
                self._settle(0 if kind is None else len(self._undone))
            finally:
                self._pool.shutdown(cancel_futures=True)

    def _settle(self, most: int) -> None:
        while len(self._undone) > most:
            self._undone.popleft().result()
