"""Settings that cannot do what they promise on this model or these sets, refused or told before anything is trained."""

from collections.abc import Iterable

import torch
from torch import Tensor

from expunge.change.bits import bits
from expunge.config import FinetuneConfig, TrainConfig, differing
from expunge.errors import ConfigError
from expunge.objectives import objectives
from expunge.train.wrappers import bind_wrappers

_TIE = 0x8000  # the last 16 bits of a float32 that lies in the middle between two bfloat16 numbers
OF_RETAIN = ("retain_loss", "retain_options", "retain_weight", "retain_batch_size")


def check_dtype(dtype: str, config: TrainConfig | None = None) -> None:
    """ConfigError where gradients, or the small steps of a wrapper, are lost in the type of the model's weights."""
    if dtype == "float16":
        raise ConfigError(
            "weights in float16 are not trained: their gradients are float16, too, in which what is smaller than 6e-8 "
            "is lost. Load the model in float32 or bfloat16 (`--dtype`)"
        )
    if config is None or config.lora is not None or dtype in ("float32", "float64"):  # adapters are float32
        return
    for wrapper in bind_wrappers(config.wrap):
        if wrapper.nudges:
            raise ConfigError(
                f"`wrap`: {wrapper.name!r} moves the weights by less than {dtype} can hold: load the model in float32 "
                "(`--dtype`), or train an adapter (`--lora`)"
            )


def check_retain(config: TrainConfig, *, retain: bool) -> None:
    """ConfigError for a wrapper that goes by the retain gradient, where there is none."""
    if retain and config.retain_loss is not None:
        return
    without = "there is no retain set" if not retain else "`retain_loss` is none"
    for wrapper in bind_wrappers(config.wrap):
        if wrapper.combines:
            raise ConfigError(
                f"`wrap`: {wrapper.name!r} weighs the forget gradient against the retain gradient, and {without}: give "
                "both, or leave it out"
            )


def check_idle(config: TrainConfig, *, retain: bool) -> None:
    """ConfigError for settings and methods that go by a retain loss, where there is none: nobody asks for nothing."""
    bounds = config.method in objectives and objectives.get(config.method).state is not None
    if bounds and not (retain and config.retain_loss is not None):
        raise ConfigError(
            f"{config.method!r} keeps the retain loss below a bound: give a retain set (`--retain`) and a retain loss, "
            "or choose another method"
        )
    idle = [name for name in differing(config) if name.partition(".")[0] in OF_RETAIN]
    if idle and not retain and config.retain_loss is not None:
        raise ConfigError(
            f"`{idle[0]}` is of the retain loss, and there is no retain set: give one (`--retain`), or leave it out "
            "(`--retain-loss none`)"
        )


@torch.no_grad()
def ties_told(weights: Iterable[Tensor], config: TrainConfig | FinetuneConfig) -> tuple[str, ...]:
    """A note where bfloat16 arithmetic sees a first step that is larger than the learning rate says.

    Weights of a quantized file are few numbers times a scale, and many of them lie exactly in the middle between two
    bfloat16 numbers. A step of any size takes each of these to the side that it points to, by half a unit.
    """
    several = [each for each in weights if each.dtype == torch.float32]
    if config.precision != "bfloat16" or not several:
        return ()
    total, ties, moved = sum(each.numel() for each in several), 0, 0.0
    for each in several:
        tied = (bits(each) & 0xFFFF) == _TIE
        ties += int(tied.sum())
        moved += float((each.abs() * tied).sum()) / 2**9  # half a unit is 1/512 to 1/256 of a number
    steps = moved / total / config.learning_rate
    if steps < 1:
        return ()
    return (
        f"{ties / total:.1%} of the trained weights lie in the middle between two bfloat16 numbers, as those of a "
        f"quantized file do: in bfloat16 arithmetic the first step moves them by half a unit, which is about "
        f"{steps:.0f} times a step at this learning rate. Train in float32, or at a higher rate",
    )
