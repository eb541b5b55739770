"""The run behind `expunge apply` and `expunge revert`: from a model and a change to a folder, and its record."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from expunge.arithmetic.apply import apply_to_folder, revert_from_folder
from expunge.atomic import place_of
from expunge.change import WeightChange
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Outcome, Record
from expunge.record_file import save_record
from expunge.runs.folder import check, check_inputs
from expunge.runs.model_folder import check_model, model_folder
from expunge.runs.phases import Phases
from expunge.runs.saving import change_info
from expunge.runs.written import held_in


def run_apply(
    model: str,
    change: Path,
    out: Path,
    *,
    revert: bool,
    arguments: Sequence[str] = (),
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Write the changed (or restored) model and its record to `out`, which is there whole or not at all.

    Folders stream, a few tensors at a time. What is no folder (GGUF file, adapter, BASE+CHANGE, Hub id) is loaded and
    written to a temporary folder first.
    """
    phases, place = phases or Phases(), place_of(out)
    configuration = {"model": model, "change": str(change)}
    check_inputs(out, tuple(configuration.values()), overwrite=overwrite)
    check(out, configuration, resume=None, overwrite=overwrite)
    what = WeightChange.load(change)
    check_model(model)
    command, done = ("revert", "reverted") if revert else ("apply", "applied")
    records: list[Record] = []
    info = change_info(what).model_copy(update={"file": str(change)})
    line = f"{done}: {len(what.names)} tensors, {info.touched_weights:,} weights"

    def finish(partial: Path) -> None:
        record = Record(
            command=command, arguments=tuple(arguments), status="done", configuration=configuration,
            versions=versions(), platform=platform_facts("cpu"), model=ModelInfo(name=model),
            methods={command: Outcome(change=info, headline=(line,))}, headline=(line,), seconds=phases.seconds,
            peak_memory=peak_memory(), holds=held_in(partial),
        )  # fmt: skip
        save_record(record, partial)
        records.append(record)

    with ExitStack() as stack:
        with phases.phase("finding the model"):
            folder = model_folder(model, stack, phases, like=what)
        with phases.phase("reverting" if revert else "applying"):
            write = revert_from_folder if revert else apply_to_folder
            write(folder, what, place, replace=overwrite, finish=finish)
    return records[0]
