"""Extrapolation: how far, along what, by which rule."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from expunge.config.base import Config, NonNegative, Seed, Share
from expunge.config.reading import parse_name


class ExtrapolateConfig(Config):
    """θ_un + α·u: a fixed α, or one that a selector chooses."""

    alpha: NonNegative | None = None  # None: chosen
    selector: str = "nearest"
    direction: Literal["whole", "weighted", "directed", "projected"] = "whole"  # whole: u = v, the paper's
    weights: dict[str, NonNegative] = Field(default={})  # of `weighted`: pattern of a tensor's name → share of α
    by: Literal["tensors", "layers"] = "tensors"  # of `directed`: what has a weight of its own
    gradients: PositiveInt = 4  # of `projected`: parts of the retain set that are protected each
    grid: Annotated[tuple[NonNegative, ...], Field(min_length=1)] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    halvings: NonNegativeInt = 3  # of an interval of the grid in which a crossing lies
    utility_floor: Share | None = None  # None: that of the unlearning
    balance: NonNegative = 1.0  # of the selector `gap`: weight of unrelated knowledge
    related: str | None = None  # of `gap` and `directed`: a file of what should go as well
    unrelated: str | None = None  # of `gap`: a file of what should not; None: the retain set
    examples: PositiveInt | None = 400  # of each set, that are scored at each α; None: all
    start: Literal["early", "kept"] = "early"  # the checkpoint: before the forget set is gone, or the usual one
    remaining: Share = 0.1  # of the way to never-known, that `early` leaves
    per: Literal["whole", "bucket"] = "whole"  # bucket: an alpha for each bucket of a curriculum
    seed: Seed = 0  # of the draw of examples

    def floor(self, usual: float) -> float:
        """The utility floor: its own, else that of the unlearning."""
        return usual if self.utility_floor is None else self.utility_floor

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """`auto`, a number, or SELECTOR:key=value, as on the command line."""
        if isinstance(values, bool) or not isinstance(values, str | int | float):
            return values
        return extrapolate_settings(str(values))

    @model_validator(mode="after")
    def _whole(self) -> "ExtrapolateConfig":
        if (self.direction == "weighted") != bool(self.weights):
            raise ValueError("`direction: weighted` and `weights` (pattern: share of alpha) go together")
        if self.per == "bucket" and self.direction != "whole":
            raise ValueError("an alpha per bucket goes along what each bucket changed: leave `direction` out")
        return self


def extrapolate_settings(text: str) -> dict[str, Any]:
    """Settings of `ExtrapolateConfig` from `auto`, a number or a selector's name, each with :key=value,….

    >>> extrapolate_settings("auto"), extrapolate_settings("0.5:direction=projected")
    ({}, {'direction': 'projected', 'alpha': 0.5})
    >>> extrapolate_settings("matched:halvings=2")
    {'halvings': 2, 'selector': 'matched'}
    """
    name, given = parse_name(text)
    if name == "auto":
        return given
    try:
        return {**given, "alpha": float(name)}
    except ValueError:
        return {**given, "selector": name}
