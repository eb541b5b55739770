"""The run behind `expunge convert FILE.gguf`: its weights in full, in a folder that loads in a tenth of the time."""

from collections.abc import Sequence
from pathlib import Path

from expunge.atomic import atomic_folder, place_of
from expunge.config import LoadConfig
from expunge.models.finding import find
from expunge.models.loading import load_model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import ModelInfo, Record
from expunge.record_file import save_record
from expunge.runs.folder import check, check_inputs
from expunge.runs.phases import Phases
from expunge.runs.written import held_in


def run_dequantize(
    file: Path, out: Path, *, arguments: Sequence[str] = (), overwrite: bool = False, phases: Phases | None = None
) -> Record:
    """Write the model, in float32, and a record to `out`, which is there whole or not at all.

    The knowledge stays that of the quantized model. Raises ModelError for a file that is no model, OutputError for a
    folder that holds something.
    """
    phases, name = phases or Phases(), str(file)
    configuration = {"file": name, "to": "folder"}
    check_inputs(out, (name,), overwrite=overwrite)
    check(out, configuration, resume=None, overwrite=overwrite)
    find(name)
    with phases.phase("reading the weights"):
        model = load_model(name, LoadConfig(device="cpu"), say=phases.say)
    parameters = sum(weight.numel() for weight in model.network.parameters())
    with phases.phase("writing"), atomic_folder(place_of(out), replace=overwrite) as partial:
        model.save(partial)
        record = Record(
            command="convert", arguments=tuple(arguments), status="done", configuration=configuration,
            versions=versions(), platform=platform_facts("cpu"), model=ModelInfo(name=name, parameters=parameters),
            seconds=phases.seconds, peak_memory=peak_memory(),
            headline=(f"{out}: {parameters:,} weights in float32, for --model {out}",), holds=held_in(partial),
        )  # fmt: skip
        save_record(record, partial)
    return record
