"""Numbers by a tensor's name: patterns as in a shell, of which the first that fits counts."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from expunge.errors import ConfigError


def by_pattern(names: Sequence[str], patterns: Mapping[str, float]) -> dict[str, float]:
    """The number of each name; 0 where no pattern fits. Raises ConfigError for a pattern that fits none.

    >>> by_pattern(["a.mlp.up", "a.attn.q", "norm"], {"*.mlp.*": 1.0, "a.*": 0.5})
    {'a.mlp.up': 1.0, 'a.attn.q': 0.5, 'norm': 0.0}
    """
    if idle := [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]:
        raise ConfigError(f"no tensor is called {idle[0]!r}; the first is {names[0]!r}")
    return {name: next((w for p, w in patterns.items() if fnmatchcase(name, p)), 0.0) for name in names}
