"""Types of objectives' options, and the check of a value that a user gave against them."""

from collections.abc import Mapping
from inspect import Parameter
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from expunge.config.base import NonNegative as NonNegative
from expunge.config.base import Positive as Positive
from expunge.errors import ConfigError

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Depth = Annotated[float, Field(gt=0, le=1)]
Layer = Count | Depth  # the number of a block (from 0), or a share of the depth: see `steering.block_at`

_TYPES = ConfigDict(arbitrary_types_allowed=True)  # in Python a mask may stand in place of its file


def checked(name: str, value: Any, annotation: Any) -> Any:
    """`value` as the type that `annotation` asks for; text is read as a number. `name` is for the message.

    Raises ConfigError for a wrong type or a value out of range.
    """
    if isinstance(value, bool) and annotation is not bool:
        raise ConfigError(f"{name} cannot be {value}: a number is wanted")
    try:
        return TypeAdapter(annotation, config=_TYPES).validate_python(value)
    except ValidationError as error:
        # an alternative type reports a problem each; they read as one sentence
        problems = dict.fromkeys(problem["msg"].removeprefix("Input ") for problem in error.errors())
        raise ConfigError(f"{name} cannot be {value!r}: it {', or '.join(problems)}") from None


def options_among(what: str, known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, each as the type of its parameter. `what` is for the message: "metric 'zlib'".

    Raises ConfigError for one that is not known, and as `checked`.
    """
    if unknown := [key for key in given if key not in known]:
        raise ConfigError(f"{what} has no option {unknown[0]!r}. Known: {', '.join(known) or 'none'}")
    return {key: checked(f"option {key!r} of {what}", value, known[key].annotation) for key, value in given.items()}
