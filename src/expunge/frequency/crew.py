"""Who counts: this process, several on this machine, or those of a Ray cluster. All give the same sums.

A crew takes loads and gives tallies, in any order. Each of its members builds the automaton once.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, Literal

from expunge.data.corpus import Load
from expunge.data.documents import documents
from expunge.errors import ExpungeError, MissingExtraError, RunError
from expunge.frequency.names import Plan
from expunge.frequency.searching import Search
from expunge.frequency.tally import Tally

Machines = Literal["local", "ray"]
Counted = Iterator[tuple[int, Tally]]  # number of the load, what it holds
_GOES_ON = "the same command with --resume goes on"
_PATIENCE = 600.0  # seconds without a free processor of a cluster


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
            _send(ours, left.pop(), process)
        busy = set(members)
        while busy:
            for pipe in wait(list(busy)):
                yield _received(pipe, members[pipe])
                if left:
                    _send(pipe, left.pop(), members[pipe])
                else:
                    busy.discard(pipe)
    finally:
        for pipe, process in members.items():
            pipe.close()
            process.terminate()
        for process in members.values():
            process.join()


def _send(pipe: Any, load: tuple[int, Load], process: Any) -> None:
    try:
        pipe.send(load)
    except OSError:
        raise _ended(process) from None


def _received(pipe: Any, process: Any) -> tuple[int, Tally]:
    try:
        number, found = pipe.recv()
    except (EOFError, OSError):  # a process that ends with its load unread resets the pipe
        raise _ended(process) from None
    if isinstance(found, str):
        raise RunError(found)
    return number, found


def _ended(process: Any) -> RunError:
    process.join()
    return RunError(f"a process that was counting ended with exit code {process.exitcode}; {_GOES_ON}")


def _member(pipe: Any, plan: Plan, field: str | None) -> None:
    """The life of a process: loads in, tallies out, until the pipe is closed. What goes wrong is sent as text."""
    search = None
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            number, load = pipe.recv()
            try:
                search = search or Search(plan)
                found = count_load(search, load, field)
            except Exception as error:  # whatever it is, the one who asked must hear it
                found = _told(error)
            pipe.send((number, found))


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, ExpungeError) else f"counting failed: {type(error).__name__}: {error}"


def _on_ray(plan: Plan, loads: Sequence[tuple[int, Load]], processes: int | None, field: str | None) -> Counted:
    """On the cluster that RAY_ADDRESS names, else on one on this machine. All members must see the files' paths."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": processes or processors()}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
    try:
        number = min(processes or len(loads), len(loads), max(1, int(ray.cluster_resources().get("CPU", 1))))
        member, shared = ray.remote(num_cpus=1)(_RayMember), ray.put(plan)
        # a member that finds no free processor never answers: it gets no load
        waiting = {each.ready.remote(): each for each in (member.remote(shared, field) for _ in range(number))}
        left, running = list(reversed(loads)), dict[Any, tuple[int, Any]]()
        while left or running:
            done, _ = ray.wait([*running, *waiting], num_returns=1, timeout=None if running else _PATIENCE)
            if not done:
                raise RunError(f"no processor of the Ray cluster was free for {_PATIENCE:.0f} seconds; {_GOES_ON}")
            if done[0] in waiting:
                each = waiting.pop(done[0])
                _got(ray, done[0])
            else:
                place, each = running.pop(done[0])
                yield place, _got(ray, done[0])
            if left:
                place, load = left.pop()
                running[each.count.remote(load)] = (place, each)
    finally:
        if ours:
            ray.shutdown()


def _got(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise RunError(_told(error.cause)) from None
    except ray.exceptions.RayError as error:
        raise RunError(f"a process that was counting on Ray ended: {type(error).__name__}; {_GOES_ON}") from None


class _RayMember:
    """As `_member`, on another machine."""

    def __init__(self, plan: Plan, field: str | None) -> None:
        self._plan, self._field = plan, field

    def ready(self) -> None:
        self._search = Search(self._plan)

    def count(self, load: Load) -> Tally:
        return count_load(self._search, load, self._field)


def _ray() -> Any:
    try:
        import ray  # type: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray
