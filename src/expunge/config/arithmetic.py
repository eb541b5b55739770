"""Arithmetic on checkpoints: what `expunge extrapolate` and `expunge merge` run."""

from math import inf
from typing import Annotated, Any

from pydantic import Field, field_validator

from expunge.config.base import Config, NonNegative


class ExtrapolateRunConfig(Config):
    """θ_un + α·(θ_un - θ_ini) of two models."""

    base: str
    tuned: str
    alpha: NonNegative | dict[str, NonNegative]  # a number, or pattern of a tensor's name → number; the first counts

    @field_validator("alpha", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return alphas(value) if isinstance(value, str) else value


class MergeRunConfig(Config):
    """An operation on a base and what was trained from it."""

    base: str
    tuned: Annotated[tuple[str, ...], Field(min_length=1)]
    method: str
    options: dict[str, float | int | str | bool] = Field(default={})


def alphas(text: str) -> float | dict[str, float]:
    """α as it stands on the command line: a number, or PATTERN=NUMBER,…. Raises ValueError.

    >>> alphas("0.5"), alphas("*.layers.0.*=0,*=0.5")
    (0.5, {'*.layers.0.*': 0.0, '*': 0.5})
    """
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    try:
        found = {pattern.strip(): float(number) for pattern, _, number in pairs}
    except ValueError:
        raise ValueError(f"expected a number, or PATTERN=NUMBER,…; found {text!r}") from None
    if not all(0 <= number < inf for number in found.values()):
        raise ValueError(f"extrapolation goes on from the tuned model: give 0 or more; found {text!r}")
    return found if "=" in text else found[""]
