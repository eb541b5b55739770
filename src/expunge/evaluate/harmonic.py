"""The harmonic mean of shares: near its smallest value, so that no part can make up for another.

HM(x_1 … x_n) = n / Σ_i 1/x_i,   0 if any x_i is 0
"""

from collections.abc import Mapping

from expunge.errors import ConfigError


def harmonic_mean(parts: Mapping[str, float]) -> float:
    """Of named numbers, none of them negative.

    >>> round(harmonic_mean({"kept": 1.0, "fluent": 0.5}), 9)
    0.666666667
    >>> harmonic_mean({"kept": 1.0, "fluent": 0.0})
    0.0

    Raises ConfigError for no numbers, and for one that is negative or not a number.
    """
    if not parts:
        raise ConfigError("a harmonic mean of nothing: give at least one number")
    if wrong := [name for name, value in parts.items() if not value >= 0]:
        raise ConfigError(f"a harmonic mean needs numbers of 0 or more; {wrong[0]!r} is {parts[wrong[0]]}")
    if not all(parts.values()):
        return 0.0
    return len(parts) / sum(1 / value for value in parts.values())
