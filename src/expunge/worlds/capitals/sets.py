"""The sets of the world: from what a model knows to a suite."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from expunge.config import CapitalsConfig, EvaluateConfig, FactKind
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.frequency.popularity import with_popularity
from expunge.suites.suite import Suite
from expunge.worlds.capitals.calibration import Calibration
from expunge.worlds.capitals.kept import CONVENTION, Calibrated
from expunge.worlds.capitals.nowhere import NAMES, twins
from expunge.worlds.capitals.table import facts
from expunge.worlds.capitals.wordings import Prompt

RELATED = "related"  # title of the set that says what else went


class _Kind(NamedTuple):
    """The facts of one kind, asked as the model answers best."""

    known: list[Example]
    unknown: list[Example]


def suite(calibrated: Calibrated, config: CapitalsConfig, name: str) -> Suite:
    """- forget: as many known facts of the kind `about` as the settings say, drawn by their seed;
    - retain: half of the other known facts, of each kind; the other half is only measured, a set for each kind;
    - holdout: facts of the kind `about` that the model does not know, and the twins: the same questions about names
      that do not exist;
    - "related", only measured: known facts of other kinds about the same subjects, or about what was the answer (the
      forgotten capital's country). They are in no other set.

    Raises ConfigError when the model knows fewer facts than are to be forgotten.
    """
    kinds: dict[FactKind, _Kind] = {kind: _asked(kind, calibrated.kinds[kind]) for kind in config.kinds}
    forget, rest = _drawn(kinds, config, calibrated.model)
    gone = {name for fact in forget for name in (fact.subject, fact.answer)}
    related = [fact for kind, each in rest.items() if kind != config.about for fact in each if fact.subject in gone]
    retain: list[Example] = []
    utility: dict[str, tuple[Example, ...]] = {}
    for kind, each in rest.items():
        free = [fact for fact in each if fact not in related]
        retain += free[: len(free) // 2]
        utility[f"{'other ' if kind == config.about else ''}{kind}"] = tuple(free[len(free) // 2 :])
    utility[RELATED] = tuple(related)
    sets = Sets(
        forget=tuple(forget), retain=tuple(retain), holdout=tuple(kinds[config.about].unknown),
        twins=tuple(twins(forget, NAMES[config.about])),
    )  # fmt: skip
    if config.popularity:
        rated: dict[str, Any] = {title: with_popularity(each) for title, each in sets.named() if title != "twins"}
        sets = replace(sets, **rated)
        utility = {title: with_popularity(each) for title, each in utility.items()}
    return Suite(
        name=name, sets=sets, utility={title: each for title, each in utility.items() if each},
        convention=CONVENTION, evaluate=EvaluateConfig(max_new_tokens=config.max_new_tokens),
        notes=tuple(_notes(calibrated, config)), model=calibrated.model,
    )  # fmt: skip


def _asked(kind: FactKind, calibration: Calibration) -> _Kind:
    table = {fact.id: fact for fact in facts(kind)}
    prompt = Prompt(calibration.wording, tuple(table[each] for each in calibration.shots))
    known, unknown = ([table[each] for each in ids] for ids in (calibration.known, calibration.unknown))
    return _Kind(prompt.ask_all(known, kind), prompt.ask_all(unknown, kind))


def _drawn(
    kinds: Mapping[FactKind, _Kind], config: CapitalsConfig, model: str
) -> tuple[Sequence[Example], dict[FactKind, list[Example]]]:
    """What is to be forgotten, and the other known facts of each kind in a drawn order."""
    known = kinds[config.about].known
    if config.forget > len(known):
        raise ConfigError(
            f"world:capitals: {model} knows {len(known)} facts of the kind {config.about!r}, so forget={config.forget} "
            f"is too many: lower it, or take another kind (about=) or model (model=)"
        )
    shuffled: dict[FactKind, list[Example]] = {}
    for kind, each in kinds.items():
        draw = random.Random(f"{config.seed} {kind}")  # of its own, so that the other kinds change nothing
        shuffled[kind] = draw.sample(each.known, len(each.known))
    forget = shuffled[config.about][: config.forget]
    shuffled[config.about] = shuffled[config.about][config.forget :]
    return forget, shuffled


def _notes(calibrated: Calibrated, config: CapitalsConfig) -> Iterator[str]:
    yield f"What {calibrated.model} knows; another model has other sets. Digest of its weights: {calibrated.weights}."
    for kind in config.kinds:
        yield calibrated.kinds[kind].summary + "."
    if config.popularity:
        yield (
            "`popularity` is a proxy: the Zipf frequency in general English (wordfreq, data of 2021) of the rarer of "
            "subject and answer, not a count in what the model was trained on."
        )
