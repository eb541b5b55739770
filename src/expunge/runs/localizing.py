"""Localizing within a run: with progress, kept in the run's folder, and told to the record."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from expunge.config import FitConfig, LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.localize.localizing import check_localizer, localize
from expunge.localize.overlap import overlap
from expunge.localize.units import units_of
from expunge.localize.where import where
from expunge.mask import Mask, note_of
from expunge.models.attaching import identity_of
from expunge.models.model import Model
from expunge.models.outline import Outline
from expunge.record import MaskInfo
from expunge.runs.folder import MASK
from expunge.runs.phases import Phases
from expunge.runs.sets import digest_of

_MASKS = ("mask", "outside")  # options of the oracle and of random


def check_localize(config: LocalizeConfig, *, lora: int | None = None) -> None:
    """Raises UnknownNameError or ConfigError for what can be seen to be wrong before a model is loaded."""
    localizer, options = check_localizer(config)
    localizer.checks(options)
    if lora and config.granularity == "weights":
        raise ConfigError("an adapter cannot change single weights: choose another granularity, or leave `lora` out")
    for name in masks_of(config):
        Mask.load(name)


def masks_of(config: LocalizeConfig) -> list[str]:
    """Files that the localizer is to read."""
    options = check_localizer(config)[1]
    return [str(options[name]) for name in _MASKS if options.get(name)]  # of the oracle and of random


def check_regions(config: LocalizeConfig, outline: Outline) -> None:
    """Raises ChangeError for a mask among the options that is another network's."""
    for name in _MASKS:
        if file := config.options.get(name):
            Mask.load(str(file)).check_shapes(outline.shapes)


def localized(
    model: Model, sets: Sets, config: LocalizeConfig, encoder: Encoder, phases: Phases
) -> tuple[Mask, dict[str, Any]]:
    """The mask, and a note of where it comes from."""
    with phases.phase(f"localizing ({config.localizer})") as tick:
        found = localize(
            model, sets.forget, sets.retain, config, encoder, tokens=FitConfig().budget(model.device.type),
            bf16=config.precision == "bfloat16", tick=lambda done, total: tick(done, "", total),
        )  # fmt: skip
    return found.mask, {
        "localizer": config.localizer, "settings": config.model_dump(mode="json"), "notes": list(found.notes),
        "model": identity_of(model),
    }  # fmt: skip


def kept_mask(
    model: Model, sets: Sets, config: LocalizeConfig, encoder: Encoder, phases: Phases, out: Path, *, resume: bool
) -> tuple[Mask, MaskInfo]:
    """The run's mask: made and written to its folder, or read from there when the run goes on."""
    path, made_on = out / MASK, {"forget": digest_of(sets.forget), "retain": digest_of(sets.retain)}
    if resume and path.exists():
        mask, note = Mask.load(path), note_of(path)
        if note["model"] != identity_of(model):
            raise ConfigError(f"{path} was made from other weights than {model.name} has: begin anew with --overwrite")
        if note.get("sets", made_on) != made_on:
            raise ConfigError(f"{path} was made on other sets: give what they were, or begin anew with --overwrite")
    else:
        mask, note = localized(model, sets, config, encoder, phases)
        mask.save(path, {**note, "sets": made_on})
    return mask, mask_info(mask, model, config.granularity, note, file=MASK)


def mask_info(
    mask: Mask,
    model: Model,
    granularity: str,
    note: Mapping[str, Any],
    *,
    file: str | None = None,
    truth: Mask | None = None,
) -> MaskInfo:
    """For the record: how much it holds, where, and how much of a known region."""
    units = units_of(model, granularity)
    inside = units.inside(mask)
    found: dict[str, Any] = {}
    if truth is not None:
        candidates = units.mask(inside | True)
        within = (truth & candidates).weights() / truth.weights()  # the rest no draw can find
        found = {**overlap(mask, truth), "chance": within * mask.density(candidates)}
    return MaskInfo(
        file=file, localizer=note.get("localizer", ""), granularity=granularity, chosen=int(inside.sum()),
        units=units.count, weights=mask.weights(), total_weights=sum(map(prod, units.shapes.values())),
        where=where(mask, model.layout).as_json(), notes=tuple(note.get("notes", ())), **found,
    )  # fmt: skip
