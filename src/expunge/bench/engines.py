"""Engines: where jobs run. One job is one process, so that a job that dies takes nothing with it."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from expunge.bench.jobs import Job
from expunge.bench.worker import alone, work_in
from expunge.errors import MissingExtraError


@runtime_checkable
class Engine(Protocol):
    """Runs jobs side by side."""

    def free(self) -> bool:
        """Whether another job can start now."""
        ...

    def start(self, job: Job) -> None: ...

    def ended(self) -> list[tuple[Job, str]]:
        """Waits until a job has ended. With each job "", or how its process died."""
        ...

    def stop(self) -> None:
        """End what still runs."""
        ...


class LocalEngine:
    """So many processes on this machine."""

    def __init__(self, processes: int, threads: int) -> None:
        self._processes = processes
        self._running: dict[int, tuple[Job, Any]] = {}
        self._context = _context(threads)

    def free(self) -> bool:
        return len(self._running) < self._processes

    def start(self, job: Job) -> None:
        process = self._context.Process(target=alone, args=(job, dict(os.environ)), name=job.label)
        process.start()
        self._running[process.sentinel] = (job, process)

    def ended(self) -> list[tuple[Job, str]]:
        found = []
        for sentinel in wait(list(self._running)):
            job, process = self._running.pop(sentinel)  # type: ignore[arg-type]
            process.join()
            code = process.exitcode
            found.append((job, "" if code == 0 else f"its process ended with {_named(code)}"))
            process.close()
        return found

    def stop(self) -> None:
        for _, process in self._running.values():
            process.kill()
        for _, process in self._running.values():
            process.join()
        self._running.clear()


class RayEngine:
    """Processes on a Ray cluster: the one that RAY_ADDRESS names, else one on this machine while the bench runs."""

    def __init__(self, processes: int | None, threads: int) -> None:
        self._ray = _ray()
        cluster = "RAY_ADDRESS" in os.environ
        local = {} if cluster else {"num_cpus": (processes or processors(threads)) * threads}
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
        self._most = processes or int(self._ray.cluster_resources().get("CPU", 1) // threads)
        # a fresh process for each job, as on one machine; what dies is reported, not tried again
        self._work = self._ray.remote(num_cpus=threads, max_calls=1, max_retries=0)(work_in)
        self._running: dict[Any, Job] = {}

    def free(self) -> bool:
        return len(self._running) < self._most

    def start(self, job: Job) -> None:
        self._running[self._work.remote(job, str(Path.cwd()))] = job

    def ended(self) -> list[tuple[Job, str]]:
        ready, _ = self._ray.wait(list(self._running), num_returns=1)
        return [(self._running.pop(reference), self._how(reference)) for reference in ready]

    def _how(self, reference: Any) -> str:
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return f"its process ended: {type(error).__name__}"
        return ""

    def stop(self) -> None:
        for reference in self._running:
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._ours:
            self._ray.shutdown()


ENGINES: dict[str, Callable[[int | None, int], Engine]] = {
    "local": lambda processes, threads: LocalEngine(processes or processors(threads), threads),
    "ray": RayEngine,
}


def processors(threads: int) -> int:
    """How many jobs of so many threads this machine has processors for."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // threads)


def check_engine(name: str) -> None:
    """Raises MissingExtraError for an engine that is not installed."""
    if name == "ray":
        _ray()


def _ray() -> Any:
    try:
        import ray  # type: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray


def _context(threads: int) -> Any:
    """Fresh processes that share no state with this one. Where the system can, they are forks of a server that has
    everything imported, so that one is there in a fraction of a second."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["expunge.runs.unlearn", "expunge.runs.audit", "expunge.worlds.names", "peft"])
    with _environment("OMP_NUM_THREADS", str(threads)):
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _named(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
