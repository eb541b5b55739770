"""How well a sample of a set is known, for watching a training: extraction strength on seeded examples."""

from collections.abc import Callable, Sequence

import numpy as np

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.extraction_strength import extraction_strength
from expunge.models.model import Model
from expunge.models.scoring import score


def strength_watch(
    examples: Sequence[Example], encoder: Encoder, *, sample: int, seed: int, budget: int = 4096, bf16: bool = False
) -> Callable[[Model], float]:
    """A function that gives a model's mean extraction strength on at most `sample` of the examples."""
    chosen = np.random.default_rng([seed, 3]).permutation(len(examples))[:sample]
    encoded = encoder.encode_all(examples[i] for i in sorted(chosen.tolist()))

    def level(model: Model) -> float:
        scored = score(model, [[each] for each in encoded], budget=budget, bf16=bf16)
        hits = [one.hits[: len(one.hits) - each.tail].numpy() for (one,), each in zip(scored, encoded)]
        return extraction_strength(hits).value

    return level
