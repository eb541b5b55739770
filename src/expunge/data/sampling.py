"""A seeded sample of a set, where all of it would cost too much."""

from collections.abc import Sequence

import numpy as np

from expunge.data.example import Example


def sample_of(examples: Sequence[Example], size: int | None, seed: int) -> list[Example]:
    """At most `size` of the examples (None: all), drawn without replacement, in the order of the data."""
    chosen = np.random.default_rng([seed, 3]).permutation(len(examples))[:size]
    return [examples[i] for i in sorted(chosen.tolist())]
