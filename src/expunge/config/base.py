"""The base of every settings class, and the types that several use."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"a range is its lower and its upper end; got {bounds[0]:g} and {bounds[1]:g}")
    return bounds


Range = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]  # searched on a logarithmic scale


class Config(BaseModel):
    """The base of every settings class: it cannot change, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
