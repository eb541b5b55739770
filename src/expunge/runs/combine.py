"""The runs behind `expunge extrapolate` and `expunge merge`: from models to a model, streamed, and its record."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from math import hypot
from pathlib import Path
from typing import Any

from expunge.arithmetic import Operation, operations
from expunge.arithmetic.combining import Combination
from expunge.arithmetic.folder import Folder, check_apart
from expunge.atomic import place_of
from expunge.config import ExtrapolateRunConfig, MergeRunConfig, differing
from expunge.errors import OutputError
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ChangeInfo, ExtrapolationInfo, ModelInfo, Outcome, Record
from expunge.record_file import save_record
from expunge.report.extrapolated import said_of
from expunge.runs.choosing_alpha import check_choice, choose, read_sets
from expunge.runs.extrapolating import remarks
from expunge.runs.folder import check, check_inputs
from expunge.runs.model_folder import check_model, model_folder
from expunge.runs.phases import Phases
from expunge.runs.written import held_in
from expunge.suites import Suite

_MB = 10**6
Config = ExtrapolateRunConfig | MergeRunConfig


def run_combine(
    config: Config,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Write the model and its record to `out`, which is there whole or not at all.

    Names, settings and the headers of all files are checked before any weight is read. Raises ConfigError,
    UnknownNameError, ModelError or OutputError.
    """
    phases, place = phases or Phases(), place_of(out)
    operation, options = _checked(config)
    names = (config.base, *_tuned(config))
    read: tuple[str | None, ...] = ()
    if isinstance(config, ExtrapolateRunConfig):
        read = (
            config.retrained, config.forget, config.retain, config.holdout, config.twins, config.choosing.related,
            config.choosing.unrelated,
        )  # fmt: skip
    check_inputs(out, (*names, *read), overwrite=overwrite)
    check(out, config.model_dump(), resume=None, overwrite=overwrite)
    for name in names:
        check_model(name)
    choosing = config if isinstance(config, ExtrapolateRunConfig) and config.alpha is None else None
    seen = read_sets(choosing, suite, phases) if choosing is not None else None
    choice: ExtrapolationInfo | None = None
    with ExitStack() as stack:
        with phases.phase("finding the models"):
            base, *tuned = (Folder(model_folder(name, stack, phases), name) for name in names)
        check_apart(place, base, *tuned)
        done = _Megabytes()
        work = Combination(operation, base, tuned, options, done)
        _check_room(out, work.size)
        if choosing is not None and seen is not None:
            choice = choose(choosing, *seen, work.aligned.home, phases)
            work = Combination(operation, base, tuned, {"alpha": choice.alpha}, done)
        records: list[Record] = []

        def finish(partial: Path) -> None:
            record = _record(config, work, choice, phases)
            warnings = seen[0].warnings if seen is not None else ()
            records.append(record.updated(arguments=tuple(arguments), warnings=warnings, holds=held_in(partial)))
            save_record(records[0], partial)

        with phases.phase(operation.name, work.size * operation.reads // _MB) as done.tick:
            work.write(place, replace=overwrite, finish=finish)
    return records[0]


def _checked(config: Config) -> tuple[Operation, dict[str, Any]]:
    if isinstance(config, ExtrapolateRunConfig):
        if config.alpha is None:
            check_choice(config)
        operation, options = operations.get("extrapolate"), {"alpha": config.alpha or 0.0}
    else:
        operation, options = operations.get(config.method), config.options
    return operation, operation.check(options, len(_tuned(config)))


def _tuned(config: Config) -> tuple[str, ...]:
    return config.tuned if isinstance(config, MergeRunConfig) else (config.tuned,)


class _Megabytes:
    """Is told bytes, and ticks in megabytes."""

    def __init__(self) -> None:
        self.tick: Any = None
        self._bytes = 0

    def __call__(self, count: int) -> None:
        before, self._bytes = self._bytes, self._bytes + count
        self.tick(self._bytes // _MB - before // _MB)


def _check_room(out: Path, size: int) -> None:
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(there).free) < size:
        raise OutputError(
            f"--out {out}: the result needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; choose another disk"
        )


def _record(config: Config, work: Combination, choice: ExtrapolationInfo | None, phases: Phases) -> Record:
    name, options, total = work.operation.name, work.options, work.weights()
    norms = work.norms
    far = hypot(*(norm.absolute for norm in norms.values()))
    line = f"{name}: {len(norms)} tensors, {total:,} weights, ‖result - base‖ = {far:.4g}"
    change = ChangeInfo(kind="dense", total_weights=total, norms={n: (a, r) for n, (a, r) in norms.items()})
    lines = (line,) if choice is None else (line, *said_of(choice))
    said = (*work.remarks(), *(remarks(choice) if choice is not None else ()))
    outcome = Outcome(change=change, configuration=options, extrapolation=choice, headline=lines, warnings=said)
    return Record(
        command="merge" if isinstance(config, MergeRunConfig) else "extrapolate", status="done",
        configuration=config.model_dump(), changed=differing(config), versions=versions(),
        platform=platform_facts("cpu"), seeds={"drop": options["seed"]} if "seed" in options else {},
        model=ModelInfo(name=config.base, parameters=total), seconds=phases.seconds, peak_memory=peak_memory(),
        methods={name: outcome}, headline=lines,
    )  # fmt: skip
