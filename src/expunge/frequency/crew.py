"""Who counts: this process, several on this machine, or those of a Ray cluster. All give the same sums.

A crew takes loads and gives tallies, in any order. Each of its members builds the automaton once.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, Literal

from expunge.errors import ExpungeError, MissingExtraError, RunError
from expunge.frequency.corpus import Load
from expunge.frequency.documents import documents
from expunge.frequency.names import Plan
from expunge.frequency.searching import Search
from expunge.frequency.tally import Tally

Machines = Literal["local", "ray"]
Counted = Iterator[tuple[int, Tally]]  # number of the load, what it holds


def counted(
    plan: Plan, loads: Sequence[tuple[int, Load]], machines: Machines, processes: int | None, field: str | None
) -> Counted:
    """Count numbered loads. Processes end when the iterator does."""
    if machines == "ray":
        return _on_ray(plan, loads, processes, field)
    number = min(processes or processors(), len(loads))
    return _here(plan, loads, field) if number < 2 else _beside(plan, loads, number, field)


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_machines(machines: Machines) -> None:
    """Raises MissingExtraError for what is not installed."""
    if machines == "ray":
        _ray()


def count_load(search: Search, load: Load, field: str | None) -> Tally:
    """One after the other."""
    return search.tally(text for piece in load for text in documents(piece, field))


def _here(plan: Plan, loads: Sequence[tuple[int, Load]], field: str | None) -> Counted:
    search = Search(plan)
    yield from ((number, count_load(search, load, field)) for number, load in loads)


def _beside(plan: Plan, loads: Sequence[tuple[int, Load]], number: int, field: str | None) -> Counted:
    """One process a member, with a pipe to each: who is done gets the next load."""
    context = multiprocessing.get_context("spawn")  # nothing of this process is carried over: no threads, no locks
    left = list(reversed(loads))
    members: dict[Any, Any] = {}
    try:
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_member, args=(theirs, plan, field), daemon=True)
            process.start()
            theirs.close()
            members[ours] = process
            ours.send(left.pop())
        busy = set(members)
        while busy:
            for pipe in wait(list(busy)):
                yield _received(pipe, members[pipe])
                if left:
                    pipe.send(left.pop())  # type: ignore[reportAttributeAccessIssue]
                else:
                    busy.discard(pipe)
    finally:
        for pipe, process in members.items():
            pipe.close()
            process.terminate()
        for process in members.values():
            process.join()


def _received(pipe: Any, process: Any) -> tuple[int, Tally]:
    try:
        number, found = pipe.recv()
    except EOFError:
        process.join()
        raise RunError(
            f"a process that was counting ended with exit code {process.exitcode}; "
            "the same command with --resume goes on"
        ) from None
    if isinstance(found, BaseException):
        raise found
    return number, found


def _member(pipe: Any, plan: Plan, field: str | None) -> None:
    """The life of a process: loads in, tallies out, until the pipe is closed."""
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        search = Search(plan)
        while True:
            number, load = pipe.recv()
            try:
                pipe.send((number, count_load(search, load, field)))
            except ExpungeError as error:
                pipe.send((number, error))


def _on_ray(plan: Plan, loads: Sequence[tuple[int, Load]], processes: int | None, field: str | None) -> Counted:
    """On the cluster that RAY_ADDRESS names, else on one on this machine. All members must see the files' paths."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": processes or processors()}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
    try:
        number = min(processes or int(ray.cluster_resources().get("CPU", 1)), len(loads))
        member, shared = ray.remote(num_cpus=1)(_RayMember), ray.put(plan)
        free = [member.remote(shared, field) for _ in range(number)]
        left, running = list(reversed(loads)), dict[Any, tuple[int, Any]]()
        while left or running:
            while left and free:
                place, load = left.pop()
                each = free.pop()
                running[each.count.remote(load)] = (place, each)
            (ready,), _ = ray.wait(list(running), num_returns=1)
            place, each = running.pop(ready)
            yield place, _got(ray, ready)
            free.append(each)
    finally:
        if ours:
            ray.shutdown()


def _got(ray: Any, reference: Any) -> Tally:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, ExpungeError) else RunError(f"counting on Ray: {cause}") from None
    except ray.exceptions.RayError as error:
        raise RunError(
            f"a process that was counting on Ray ended: {type(error).__name__}; the same command with --resume goes on"
        ) from None


class _RayMember:
    """As `_member`, on another machine."""

    def __init__(self, plan: Plan, field: str | None) -> None:
        self._search, self._field = Search(plan), field

    def count(self, load: Load) -> Tally:
        return count_load(self._search, load, self._field)


def _ray() -> Any:
    try:
        import ray  # type: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray
