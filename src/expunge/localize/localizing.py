"""Localizing: from a model, its sets and settings to a mask and how it came about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.localize import Localizer, Scene, localizers
from expunge.localize.choosing import highest
from expunge.localize.units import Units, units_of
from expunge.mask import Mask
from expunge.models.model import Model

Tick = Callable[[int, int], object]  # examples done since the last call, and how many there are in all


@dataclass(frozen=True, eq=False)
class Localized:
    """What `localize` returns."""

    mask: Mask
    units: Units
    scores: Float[Tensor, " units"]
    chosen: int  # units
    notes: tuple[str, ...]


def localize(
    model: Model,
    forget: Sequence[Example],
    retain: Sequence[Example],
    config: LocalizeConfig,
    encoder: Encoder,
    *,
    options: Mapping[str, Any] | None = None,
    tokens: int = 512,
    bf16: bool = False,
    tick: Tick = lambda *_: None,
) -> Localized:
    """The mask of the units with the highest scores. The model is left as it was, bit for bit.

    `options` replaces `config.options`; in them a mask may stand in place of its file. `tokens` is the size of a
    forward pass (memory, not results). Raises ConfigError as `check_localizer`, and for scores without a number.
    """
    localizer, values = check_localizer(config, options)
    forget, retain = (_sampled(examples, config) for examples in (forget, retain))
    check_sets(config, forget, retain)
    units = units_of(model, config.granularity)
    looked_at = len(forget) * ("forget" in localizer.looks_at) + len(retain) * ("retain" in localizer.looks_at)
    notes: list[str] = []
    scene = Scene(
        model=model, units=units, encoder=encoder, forget=forget, retain=retain, seed=config.seed, budget=tokens,
        bf16=bf16, notes=notes,
    )  # fmt: skip
    total = looked_at * localizer.rounds(scene, **{**_defaults(localizer), **values})
    scores = localizer.function(replace(scene, tick=lambda done: tick(done, total)), **values)
    if localizer.budgeted:
        chosen = highest(scores, units.sizes(), config.budget, of=config.of)
    else:
        chosen = scores > -torch.inf
    return Localized(units.mask(chosen), units, scores, int(chosen.sum()), tuple(notes))


def check_localizer(
    config: LocalizeConfig, options: Mapping[str, Any] | None = None
) -> tuple[Localizer, dict[str, Any]]:
    """The localizer and its options. Raises UnknownNameError or ConfigError: before a model is loaded."""
    localizer = localizers.get(config.localizer)
    return localizer, localizer.check(config.options if options is None else options, config.granularity)


def _defaults(localizer: Localizer) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in localizer.options.items()}


def _sampled(examples: Sequence[Example], config: LocalizeConfig) -> list[Example]:
    """At most `config.examples` of a set, drawn by the seed, in their order."""
    if config.examples is None or len(examples) <= config.examples:
        return list(examples)
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(config.seed))
    return [examples[i] for i in sorted(order[: config.examples].tolist())]


def check_sets(config: LocalizeConfig, forget: Sequence[Example], retain: Sequence[Example]) -> None:
    """Raises ConfigError when the sets have not what the localizer looks at."""
    localizer = localizers.get(config.localizer)
    if "forget" in localizer.looks_at and not forget:
        raise ConfigError(f"localizer {localizer.name!r} looks at the forget set, which is empty")
    if "retain" in localizer.looks_at and not retain:
        raise ConfigError(f"localizer {localizer.name!r} compares with the retain set: give one")
    if localizer.subjects and (without := [e.id for e in forget if not e.subject or not e.prompt]):
        raise ConfigError(
            f"localizer {localizer.name!r} disturbs the subject of a question, and {len(without)} examples have none, "
            f"the first is {without[0]!r}: give rows a `subject` that stands in their `prompt`"
        )
