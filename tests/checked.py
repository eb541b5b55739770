"""Types and shapes are checked at run time in all functions but those defined inside others.

A hook or a closure is defined anew at every pass, and to compile its checks each time costs more than the pass of a
tiny model.
"""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """What jaxtyping asks to check each function that it wraps."""
    return function if "<locals>" in function.__qualname__ else _CHECK(function)
