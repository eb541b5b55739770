"""Choosing α for two checkpoints: both are loaded for that, and let go before the weights stream."""

from torch import nn

from expunge.arithmetic.folder import Folder
from expunge.arithmetic.naming import counterparts
from expunge.change import WeightChange
from expunge.config import ExtrapolateRunConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import outline_of
from expunge.parameters import parameters_of
from expunge.record import ExtrapolationInfo
from expunge.runs.extrapolating import (
    Aims,
    Scoring,
    check_extrapolate,
    check_whole,
    direction_of,
    extrapolate,
    retained,
)  # fmt: skip
from expunge.runs.model_folder import check_model
from expunge.runs.phases import Phases
from expunge.runs.suites import sets_of
from expunge.suites import Suite


def check_choice(config: ExtrapolateRunConfig) -> None:
    """Raises for what can be seen to be wrong before a model is loaded."""
    if not (config.forget or config.suite):
        raise ConfigError("to choose alpha give what is to be forgotten: --forget (a file, or hub:NAME) or --suite")
    check_extrapolate(config.choosing)
    check_whole(config.choosing)
    if (direction := direction_of(config.choosing)) != "whole":
        raise ConfigError(
            f"along {direction!r} weights do not stream, for it needs gradients: use `expunge unlearn --extrapolate`, "
            "or `choose_alpha` of Python, whose result has a `change`"
        )
    if config.retrained is not None:
        check_model(config.retrained)


def read_sets(config: ExtrapolateRunConfig, suite: Suite | None, phases: Phases) -> tuple[Sets, Aims]:
    """All that α is chosen on, read and checked before any model is."""
    sets, aims = sets_of(config, suite, config.base), Aims.of(config.choosing)
    retained(config.choosing, sets, config.choosing.seed)
    for warning in sets.warnings:
        phases.say(warning)
    if config.retrained is not None:
        outline_of(config.retrained, config.load, say=phases.say)
    return sets, aims


def choose(config: ExtrapolateRunConfig, sets: Sets, aims: Aims, home: Folder, phases: Phases) -> ExtrapolationInfo:
    """How far the selector goes, measured on weights as `home`, the tuned folder, has room for.

    Raises ChangeError where the two models do not fit together.
    """
    with phases.phase("loading the models"):
        base, tuned = (load_model(name, config.load, say=phases.say) for name in (config.base, config.tuned))
        gold = load_model(config.retrained, config.load, say=phases.say) if config.retrained else None
    encoder = Encoder(base.tokenizer, config.convention, base.layout.places)
    check_lengths(encoder, sets, *aims)
    _untie(base, tuned)
    change = WeightChange.between(base, tuned)
    del tuned
    stored = {name: home.slot(there).dtype for name, there in counterparts(change.names, home).items()}
    usual = TrainConfig()
    scoring = Scoring(encoder, usual.budget(base.device.type), config.evaluate.precision == "bfloat16")
    floor = config.choosing.floor(usual.utility_floor)
    with phases.phase("choosing alpha") as tick:
        found = extrapolate(
            base, sets, change, config.choosing, scoring, floor=floor, seed=config.choosing.seed, retrained=gold,
            related=aims.related, unrelated=aims.unrelated, stored=stored, tick=lambda remark: tick(1, remark),
        )  # fmt: skip
    return found.info


def _untie(base: Model, tuned: Model) -> None:
    """Give the base a head of its own where the tuned model has one: it moves from the embedding, which it was."""
    if not set(parameters_of(base).ties) - set(parameters_of(tuned).ties):
        return
    head, shared = base.network.get_output_embeddings(), base.network.get_input_embeddings().weight
    if head is not None and head.weight is shared:
        assert isinstance(shared, nn.Parameter)
        head.weight = nn.Parameter(shared.detach().clone(), shared.requires_grad)
        base.network.config.tie_word_embeddings = False
