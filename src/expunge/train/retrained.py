"""The retrained model: found, checked, and let go once it has been measured.

It says what never-known looks like, by which checkpoints are chosen, and some losses measure against it.
"""

from collections.abc import Iterable

from expunge.change.bits import type_name
from expunge.config import LoadConfig, TrainConfig, settings
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.outline import Outline
from expunge.objectives.binding import Bound
from expunge.train.levels import NeverKnown, mean_log_probs


def reads_retrained(losses: Iterable[Bound | None], given: object) -> bool:
    """Whether a loss measures against the retrained model. ConfigError if one does and none is `given`."""
    names = [loss.objective.name for loss in losses if loss is not None and "retrained" in loss.objective.needs]
    if names and given is None:
        raise ConfigError(
            f"{names[0]!r} measures against a model that never saw the forget set: name it with `retrained` "
            "(`--retrained M` on the command line)"
        )
    return bool(names)


def retrained_for(model: Model, given: Model | str) -> Model:
    """The loaded model, or the one of that name, on the device and in the type of `model`.

    ConfigError unless its shape is that of `model`, block by block.
    """
    if isinstance(given, str):
        dtype = type_name(model.network.dtype)
        given = load_model(given, settings(LoadConfig, {"device": str(model.device), "dtype": dtype}))
    check_alike(model, given)
    return given


def retrained_level(
    model: Model, given: Model | str | None, sets: Sets, encoder: Encoder, config: TrainConfig
) -> NeverKnown | None:
    """What the forget set's own answers are to the retrained model: no control says it better. None: there is none."""
    if given is None:
        return None
    logs = mean_log_probs(
        retrained_for(model, given), encoder.encode_all(sets.forget), budget=config.budget(model.device.type),
        bf16=config.precision == "bfloat16",
    )  # fmt: skip
    return NeverKnown(logs, logs.exp().mean().item(), logs, "retrained model")


def check_alike(model: Model | Outline, given: Model | Outline) -> None:
    """ConfigError unless the retrained model's shape is that of `model`, block by block."""
    for what in ("depth", "width", "vocabulary"):
        mine, theirs = getattr(model.layout, what), getattr(given.layout, what)
        if mine != theirs:
            raise ConfigError(
                f"the retrained model {given.name!r} has {what} {theirs}, the model that unlearns {mine}: it must be "
                "the same network, trained without the forget set"
            )
