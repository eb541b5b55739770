"""The run behind `expunge localize`: a mask, its picture and its record."""

from collections.abc import Sequence
from pathlib import Path

from expunge.config import LocalizeRunConfig, differing
from expunge.data.convention import Encoder
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError, OutputError
from expunge.localize.localizing import check_sets
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.models.outline import outline_of
from expunge.parameters import parameters_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Record
from expunge.report.located import said_of
from expunge.report.writing import is_report
from expunge.runs.files import page_at, record_at, record_of
from expunge.runs.folder import check_inputs
from expunge.runs.localizing import check_localize, check_regions, localized, mask_info, masks_of
from expunge.runs.measuring import model_info
from expunge.runs.phases import Phases
from expunge.runs.suites import sets_of
from expunge.suites import Suite


def check_out(config: LocalizeRunConfig, out: Path, *, overwrite: bool) -> None:
    """Raises OutputError for files that may not be written, before anything is loaded."""
    if out.suffix != ".safetensors":
        raise OutputError(f"--out {out}: a mask is a safetensors file; end its name so")
    if out.is_dir():
        raise OutputError(f"--out {out}: is a folder; give a file in it")
    record_of(record_at(out), out, "localize")
    for place in (out, record_at(out), page_at(out)):
        if place.exists() and not overwrite:
            raise OutputError(f"--out {out}: there is {place} already. Choose another name, or add --overwrite")
        read = (config.model, config.forget, config.retain, config.holdout, config.twins, config.truth)
        check_inputs(place, (*read, *masks_of(config.localize)), overwrite=overwrite)
    if out.exists():
        Mask.load(out)  # anything else is not ours to replace
    if page_at(out).exists() and not is_report(page_at(out)):
        raise OutputError(f"--out {out}: its page would be {page_at(out)}, which is no report. Choose another name")


def run_localize(
    config: LocalizeRunConfig,
    out: Path,
    *,
    suite: Suite | None = None,
    arguments: Sequence[str] = (),
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Write the mask to `out` and return the record. Settings and data are checked before the model is loaded.

    Nothing is written before the mask is there. Raises ConfigError, DataError or OutputError.
    """
    phases = phases or Phases()
    check_out(config, out, overwrite=overwrite)
    check_localize(config.localize)
    truth = Mask.load(Path(config.truth).expanduser()) if config.truth else None
    if truth is not None and not len(truth):
        raise ConfigError(f"--truth {config.truth}: the mask holds nothing, so there is nothing to find")
    if not (config.forget or suite):
        raise ConfigError("nothing to look for: give --forget (a file, or hub:NAME) or --suite")
    sets = sets_of(config, suite, config.model)
    check_sets(config.localize, sets.forget, sets.retain)
    for warning in sets.warnings:
        phases.say(warning)
    outline = outline_of(config.model, config.load, say=phases.say)
    if outline is not None:
        check_regions(config.localize, outline)
    if outline is not None and truth is not None:
        truth.check_shapes(outline.shapes)
    with phases.phase("loading the model"):
        model = load_model(config.model, config.load, say=phases.say)
    encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
    check_lengths(encoder, sets)
    if truth is not None:
        truth.check_shapes({name: weight.shape for name, weight in parameters_of(model).items()})
    mask, note = localized(model, sets, config.localize, encoder, phases)
    info = mask_info(mask, model, config.localize.granularity, note, file=out.name, truth=truth)
    out.parent.mkdir(parents=True, exist_ok=True)
    mask.save(out, note)
    return Record(
        command="localize", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts(str(model.device)),
        seeds={"localizer": config.localize.seed}, model=model_info(model), mask=info, headline=said_of(info),
        seconds=phases.seconds, peak_memory=peak_memory(), warnings=sets.warnings,
    )  # fmt: skip
