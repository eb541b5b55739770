"""The engine `stream`: a corpus is read once, whole and exactly, whatever its size, in constant memory.

Its loads are counted by a crew (`crew.py`); sums of integers do not depend on who counts what. What has been counted is
kept beside the result every few seconds: the sums and which loads they hold, in one file that is there whole or not at
all. So a count that was killed goes on with what is left, and ends with the same numbers.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from expunge.atomic import atomic_file
from expunge.data.corpus import Load, corpus_id
from expunge.errors import OutputError
from expunge.frequency.crew import Machines, counted
from expunge.frequency.names import Plan
from expunge.frequency.tally import Tally
from expunge.frequency.words import VERSION

_KEEP_EVERY = 5.0  # seconds
_DONE = "done"


def count_stream(
    plan: Plan,
    loads: Sequence[Load],
    *,
    kept: Path | None = None,
    machines: Machines = "local",
    processes: int | None = None,
    field: str | None = None,
    tick: Callable[[int], object] = lambda _: None,
) -> Tally:
    """Count. `kept`: where the sums are kept; what is there already is not counted again. `tick` gets bytes.

    Raises OutputError when `kept` is of another count, RunError for a file that cannot be read to its end.
    """
    identity = _identity(plan, loads, field) if kept is not None else ""
    tally, done = _kept(kept, plan, len(loads), identity)
    tick(sum(piece.size for load, ready in zip(loads, done) if ready for piece in load))
    left = [(number, load) for number, load in enumerate(loads) if not done[number]]
    said = time.monotonic()
    for number, found in counted(plan, left, machines, processes, field) if left else ():
        tally.add(found)
        done[number] = True
        tick(sum(piece.size for piece in loads[number]))
        if kept is not None and time.monotonic() - said > _KEEP_EVERY:
            _keep(kept, tally, done, identity)
            said = time.monotonic()
    if kept is not None:
        _keep(kept, tally, done, identity)
    return tally


def _identity(plan: Plan, loads: Sequence[Load], field: str | None) -> str:
    """Of what is counted in what: another plan, another file, the same file changed, another rule is another count."""
    told = f"{VERSION} {plan!r} {corpus_id(loads, field)}"
    return hashlib.sha256(told.encode()).hexdigest()


def _keep(path: Path, tally: Tally, done: np.ndarray, identity: str) -> None:
    from safetensors.numpy import save_file

    with atomic_file(path) as partial:
        save_file({**tally.arrays(), _DONE: done}, partial, {"count": identity})


def _kept(path: Path | None, plan: Plan, loads: int, identity: str) -> tuple[Tally, np.ndarray]:
    if path is None or not path.exists():
        return Tally.none(plan), np.zeros(loads, dtype=np.bool_)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("count") == identity:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return Tally(**{name: each for name, each in arrays.items() if name != _DONE}), arrays[_DONE]
    except (SafetensorError, OSError):
        pass
    raise another_count(path)


def another_count(path: Path) -> OutputError:
    """For what is to be gone on with, and is of something else."""
    return OutputError(
        f"{path}: holds what was counted of another corpus, for other examples or with other settings. Go on with "
        "those, or begin anew with --overwrite"
    )
