"""Targets on tiny models: one that knows its facts, one that does not, and what attacks need besides."""

from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import Any

from torch import Tensor

from expunge.attacks import Target
from expunge.config import FinetuneConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.models.model import Model
from expunge.train.finetune import fit
from steps import taught_model, unequal_sets
from tiny import tiny_model

CITIES = [each.answer.split()[0] for each in (*unequal_sets().forget, *unequal_sets().retain)]
DOCUMENTS = tuple(
    Example(f"d{i}", None, f"the capital of {country} is {city} .")
    for i, (country, city) in enumerate((("arland", "bexton"), ("corvia", "dunmore"), ("gondal", "hexham")))
)


def attacked_sets() -> Sets:
    """`unequal_sets`, each fact with two wrong answers of its form."""
    wrong = iter(range(len(CITIES)))

    def with_wrong(example: Example) -> Example:
        i, rest = next(wrong), example.answer.split()[1:]
        return replace(
            example, perturbed_answers=tuple(" ".join([CITIES[(i + j) % len(CITIES)], *rest]) for j in (1, 2))
        )

    sets = unequal_sets()
    return replace(sets, forget=tuple(map(with_wrong, sets.forget)), retain=tuple(map(with_wrong, sets.retain)))


@lru_cache
def _never_taught_weights() -> dict[str, Tensor]:
    """The start of `taught_model`, taught the retain set only."""
    model = tiny_model()
    config = FinetuneConfig(learning_rate=5e-3, max_steps=25, batch_size=4, eval_every=25)
    fit(model, attacked_sets().retain, config, lambda _: 0.0).change.apply_to(model)
    return deepcopy(model.network.state_dict())


def never_taught_model() -> Model:
    """A model that was retrained: it knows what is kept, and never saw what is to be forgotten."""
    model = tiny_model()
    model.network.load_state_dict(_never_taught_weights())
    return model


def target(model: Model | None = None, **changes: Any) -> Target:
    """The forget set on a model, by default one that knows it."""
    model = model or taught_model()
    usual: dict[str, Any] = {
        "examples": attacked_sets().forget, "sets": attacked_sets(), "encoder": Encoder(model.tokenizer),
        "max_new_tokens": 1, "peers": {"original": taught_model(), "retrained": never_taught_model()},
    }  # fmt: skip
    return Target(model, **{**usual, **changes})
