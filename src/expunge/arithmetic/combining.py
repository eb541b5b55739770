"""An operation on a base and what was trained from it, from folders to a folder. Memory: a few blocks.

    τ_t = θ_t - θ_base   in float32 (float64 where weights are)        θ_new = round(θ_home + step(τ))

A weight whose step is 0 keeps its bits, -0.0 and NaN among them; the step is rounded once, to the home folder's type.
The result has the home folder's files, names and types: how weights are spread over files changes no bit.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from math import inf, sqrt
from operator import add
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from expunge.arithmetic import Operation, Place, Survey, Vectors, operations
from expunge.arithmetic.aligned import Aligned, Trained, align
from expunge.arithmetic.blocks import Part, Reader, buffer_for, parts_of
from expunge.arithmetic.folder import Folder, check_apart, fill
from expunge.arithmetic.overlapping import AHEAD, THREADS, ahead, one_thread
from expunge.atomic import atomic_folder
from expunge.change.bits import same
from expunge.change.stored import Norm, difference, moved
from expunge.models.stored_logits import FILE as STORED_LOGITS

_TILE = 2**18  # weights at a time: fewer, and calling torch costs as much as counting; more do not fit the cache
# what describes the model that was, not this one
_STALE = {STORED_LOGITS: None, "expunge.json": None, "record.json": None, "report.html": None}
Tick = Callable[[int], object]
R = TypeVar("R")


class _Job(NamedTuple):
    name: str
    part: Part
    trained: Trained | None  # None: copied


class _Moved(NamedTuple):
    """What became of some weights."""

    change: float  # sum of squares of what the base is changed by
    base: float  # and of the base
    asked: float  # weights with a step other than 0, of narrow types
    stayed: float  # of these, those that no step was large enough for


class Combination(Survey):
    """One operation on given folders; raises ModelError when they do not fit together, from the headers alone."""

    def __init__(
        self,
        operation: Operation,
        base: Folder,
        tuned: Sequence[Folder],
        options: Mapping[str, Any],
        tick: Tick = lambda _: None,
    ) -> None:
        self.operation, self.options = operation, operation.check(options, len(tuned))
        self._tick = tick
        home, others = (tuned[0], (base,)) if operation.home == "tuned" else (base, tuple(tuned))
        self.aligned: Aligned = align(home, others)
        self.names = tuple(each.name for each in self.aligned.distinct)
        self.models = len(tuned)
        self._sums: dict[str, list[float]] = {}  # by name: those of `_Moved`

    # ---- the survey that an operation's `prepare` looks at

    def __call__(self, name: str | None = None) -> Iterator[Vectors]:
        """The task vectors of one tensor or of all, a tied one once."""
        chosen = self.names if name is None else (name,)
        jobs = (_Job(n, part, self.aligned.trained[n]) for n in chosen for part in parts_of(self.weights(n)))
        for tensors in self._made(jobs, lambda _, tensors: tensors):
            for start in range(0, len(tensors[0]), _TILE):
                yield self._vectors(_wide([each[start : start + _TILE] for each in tensors]))
            self._tick(tensors[0].nbytes)

    def weights(self, name: str | None = None) -> int:
        """How many, of one tensor or of all."""
        slot = self.aligned.home.slot
        return slot(name).weights if name is not None else sum(slot(each).weights for each in self.names)

    # ---- the result

    @property
    def size(self) -> int:
        """Of the result, in bytes."""
        return sum(self.aligned.home.slot(name).size for name in self.aligned.home)

    @property
    def norms(self) -> dict[str, Norm]:
        """By name, how far each tensor of the result is from the base's, as it is written; after `write`."""
        roots = {name: (sqrt(changed), sqrt(base)) for name, (changed, base, *_) in self._sums.items()}
        return {
            name: Norm(float(f"{changed:.6g}"), float(f"{changed / base:.6g}") if base else (inf if changed else 0.0))
            for name, (changed, base) in roots.items()
        }

    def remarks(self) -> tuple[str, ...]:
        """What went otherwise than one would think; after `write`."""
        asked, stayed = (sum(sums[i] for sums in self._sums.values()) for i in (2, 3))
        if not asked or stayed / asked <= 0.5:
            return ()
        return (
            f"{stayed / asked:.0%} of the weights that were to move stay as they are: the steps are smaller than what "
            f"the types of {self.aligned.home.name} can tell apart. Give that model in float32, or go further",
        )

    def write(self, out: Path, *, replace: bool = False, finish: Callable[[Path], object] = lambda _: None) -> None:
        """The result as a folder that plain Transformers loads; there whole or not at all.

        `finish` may put something into the folder before it takes its place. With `replace` a folder that is there
        goes when the new one is whole.
        """
        home = self.aligned.home
        check_apart(out, home, *self.aligned.others)
        prepare = self.operation.prepare
        with one_thread(), atomic_folder(out, replace=replace) as partial:
            prepared = prepare(self, self.options) if prepare is not None else None
            with closing(self._results(prepared)) as results:
                fill(
                    home, partial,
                    lambda name: (next(results) for _ in parts_of(home.slot(name).weights)), {}, _STALE,
                )  # fmt: skip
            finish(partial)

    def _results(self, prepared: Any) -> Generator[Tensor, None, None]:
        """Blocks of the result in the order of the home folder, each in the buffer into which it was read."""
        home, trained = self.aligned.home, self.aligned.trained
        jobs = (_Job(n, part, trained.get(n)) for n in home for part in parts_of(home.slot(n).weights))

        def work(job: _Job, tensors: list[Tensor]) -> tuple[_Job, Tensor, list[_Moved]]:
            moves = []
            if job.trained is not None:
                for start in range(0, job.part.weights, _TILE):
                    place = Place(job.trained.twin or job.name, job.part.start + start)
                    moves.append(self._move([each[start : start + _TILE] for each in tensors], place, prepared))
            return job, tensors[0], moves

        for job, tensor, moves in self._made(jobs, work):
            if job.trained is not None and job.trained.twin is None:
                sums = self._sums.setdefault(job.name, [0.0] * len(_Moved._fields))
                for move in moves:  # in order, whichever thread was faster
                    sums[:] = map(add, sums, move)
            yield tensor
            self._tick(tensor.nbytes)

    def _move(self, tile: list[Tensor], place: Place, prepared: Any) -> _Moved:
        """Put the result into the home's weights."""
        wide = _wide(tile)
        vectors = self._vectors(wide)
        step = self.operation.step({"vectors": vectors, "place": place, "prepared": prepared}, self.options)
        base = wide[0 if self.operation.home == "base" else 1]
        result = moved(tile[0], step, wide[0])
        change = difference(base, result.to(base.dtype))
        asked = stayed = 0
        if result.element_size() < 4:  # wider types have room for any step that counts
            asked = int(torch.count_nonzero(step))
            stayed = asked - int(torch.count_nonzero(~same(result, tile[0])))
        tile[0].copy_(result)
        return _Moved(float(torch.dot(change, change)), float(torch.dot(base, base)), asked, stayed)

    def _vectors(self, wide: list[Tensor]) -> Vectors:
        """τ from the home's weights and the others'."""
        home, *others = wide
        if self.operation.home == "tuned":
            return difference(others[0], home)[None]
        vectors = [difference(home, other) for other in others]
        return vectors[0][None] if len(vectors) == 1 else torch.stack(vectors)

    def _made(self, jobs: Iterable[_Job], make: Callable[[_Job, list[Tensor]], R]) -> Generator[R, None, None]:
        """What `make` makes, in other threads, of each job and its weights in the home folder and in the others.

        They are read into a ring of buffers, so that a result must be done with `AHEAD` results later.
        """
        folders = (self.aligned.home, *self.aligned.others)
        widths = [max(f.slot(name).dtype.itemsize for name in f) for f in folders]
        # those that are made ahead, one that is in use, those that wait to be written
        ring = [[buffer_for(width) for width in widths] for _ in range(2 * AHEAD + 2)]
        with Reader() as reader:

            def made(turn: tuple[int, _Job]) -> R:
                number, job = turn
                names = (job.name, *(job.trained.others if job.trained else ()))
                parts = zip(folders, names, ring[number % len(ring)])
                return make(job, [reader.read(f, name, job.part, buffer) for f, name, buffer in parts])

            with closing(ahead(enumerate(jobs), made, THREADS)) as stream:
                for _, result in stream:
                    yield result


def _wide(tile: list[Tensor]) -> list[Tensor]:
    """All in float32, or in float64 if one of them is."""
    dtype = torch.float32
    for each in tile:
        dtype = torch.promote_types(dtype, each.dtype)
    return [each.to(dtype) for each in tile]


def extrapolate_folder(
    base: str | Path,
    tuned: str | Path,
    alpha: float | Mapping[str, float],
    out: str | Path,
    *,
    replace: bool = False,
    tick: Tick = lambda _: None,
) -> Combination:
    """Write θ_un + α·(θ_un - θ_ini) to `out`; α as in `extrapolate.py`. `tick` is told the bytes that are done."""
    work = Combination(operations.get("extrapolate"), Folder(base), [Folder(tuned)], {"alpha": alpha}, tick)
    work.write(Path(out), replace=replace)
    return work
