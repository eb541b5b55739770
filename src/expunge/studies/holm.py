"""Holm's correction: several comparisons of one study, judged together. Holm 1979, jstor.org/stable/4615733.

    p̃_(i) = max_{j ≤ i} min(1, (m - j + 1) p_(j))        p_(1) ≤ … ≤ p_(m)

The chance that any true null hypothesis has p̃ ≤ α is at most α, however the tests depend on one another. Which
comparisons are one family must be said before they are looked at. No deviations.
"""

from collections.abc import Mapping

from expunge.errors import ConfigError


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Corrected p-values in the order given.

    >>> holm({"npo": 0.04, "wga": 0.01, "dpo": 0.03})
    {'npo': 0.06, 'wga': 0.03, 'dpo': 0.06}
    """
    if wrong := [name for name, value in p.items() if not 0 <= value <= 1]:
        raise ConfigError(f"the p-value of {wrong[0]!r} is not between 0 and 1: {p[wrong[0]]}")
    corrected, least = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda each: p[each])):
        least = max(least, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = least
    return {name: corrected[name] for name in p}
