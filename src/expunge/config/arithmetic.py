"""Arithmetic on checkpoints: what `expunge extrapolate` and `expunge merge` run."""

import re
from math import inf
from typing import Annotated, Any

from pydantic import Field, model_validator

from expunge.config.base import Config, NonNegative
from expunge.config.extrapolation import ExtrapolateConfig, extrapolate_settings
from expunge.config.runs import SetsRunConfig


class ExtrapolateRunConfig(SetsRunConfig):
    """θ_un + α·(θ_un - θ_ini) of two models; the sets are for choosing α."""

    base: str
    tuned: str
    alpha: NonNegative | dict[str, NonNegative] | None = None  # pattern of a tensor's name → number; None: chosen
    choosing: ExtrapolateConfig = ExtrapolateConfig()
    retrained: str | None = None  # a model that never saw the forget set: what never-known looks like

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """`alpha` as on the command line: auto, a number, PATTERN=NUMBER,… or SELECTOR:key=value."""
        text = values.get("alpha") if isinstance(values, dict) else None
        if not isinstance(text, str):
            return values
        if re.match(r"(?!nan|inf)[a-z_]+(:|$)", text):
            return {**values, "alpha": None, "choosing": {**values.get("choosing", {}), **extrapolate_settings(text)}}
        try:
            return {**values, "alpha": alphas(text)}
        except ValueError as problem:
            raise ValueError(f"alpha: {problem}") from None


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
    if len(pairs) > 1 and (len(found) < len(pairs) or "" in found):  # 0,5 is no number, nor is a pattern named twice
        raise ValueError(f"expected one number (with a point: 0.5), or PATTERN=NUMBER,… once each; found {text!r}")
    if not all(0 <= number < inf for number in found.values()):
        raise ValueError(f"extrapolation goes on from the tuned model: give 0 or more; found {text!r}")
    return found if "=" in text else found[""]
