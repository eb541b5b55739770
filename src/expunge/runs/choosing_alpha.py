"""Choosing α for two checkpoints: both are loaded for that, and let go before the weights stream."""

from expunge.change import WeightChange
from expunge.config import ExtrapolateRunConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.data.lengths import check_lengths
from expunge.errors import ConfigError
from expunge.models.loading import load_model
from expunge.record import ExtrapolationInfo
from expunge.runs.extrapolating import Scoring, check_extrapolate, check_whole, direction_of, extrapolate
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


def choose(config: ExtrapolateRunConfig, suite: Suite | None, phases: Phases) -> ExtrapolationInfo:
    """How far the selector goes. Raises ChangeError where the two models do not fit together."""
    sets = sets_of(config, suite, config.base)
    for warning in sets.warnings:
        phases.say(warning)
    with phases.phase("loading the models"):
        base, tuned = (load_model(name, config.load, say=phases.say) for name in (config.base, config.tuned))
        gold = load_model(config.retrained, config.load, say=phases.say) if config.retrained else None
    encoder = Encoder(base.tokenizer, config.convention)
    check_lengths(encoder, sets)
    change = WeightChange.between(base, tuned)
    del tuned
    usual = TrainConfig()
    scoring = Scoring(encoder, usual.budget(base.device.type), config.evaluate.precision == "bfloat16")
    floor = config.choosing.floor(usual.utility_floor)
    with phases.phase("choosing alpha") as tick:
        return extrapolate(
            base, sets, change, config.choosing, scoring, floor=floor, seed=config.choosing.seed, retrained=gold,
            tick=lambda remark: tick(1, remark),
        ).info  # fmt: skip
