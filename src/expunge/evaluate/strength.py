"""How well a set is known while a model is trained on it: extraction strength of a seeded sample."""

from collections.abc import Callable, Sequence

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.extraction_strength import extraction_strength
from expunge.models.model import Model
from expunge.models.scoring import score


def strength_watch(
    examples: Sequence[Example], encoder: Encoder, *, budget: int = 4096, bf16: bool = False
) -> Callable[[Model], float]:
    """A function that gives a model's mean extraction strength on the examples, in [0, 1]."""
    encoded = encoder.encode_all(examples)

    def level(model: Model) -> float:
        scored = score(model, [[each] for each in encoded], budget=budget, bf16=bf16)
        hits = [one.hits[: len(one.hits) - each.tail].numpy() for (one,), each in zip(scored, encoded)]
        return extraction_strength(hits).value

    return level
