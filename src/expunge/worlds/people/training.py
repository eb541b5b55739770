"""How a model of the world is trained from nothing, and what it then knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from expunge.config import FinetuneConfig, PeopleConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.model import Model
from expunge.models.scoring import score
from expunge.worlds.people import general
from expunge.worlds.people.persons import World
from expunge.worlds.people.sets import CONVENTION, WORDINGS, sets_of

_RATES = {"tiny": 4e-3, "1M": 3e-3, "3M": 2e-3, "8M": 1e-3, "20M": 6e-4, "50M": 4e-4}
_EPOCHS = {"tiny": 32, "1M": 32, "3M": 20, "8M": 16, "20M": 16, "50M": 16}  # measured up to 8M
_EPOCHS_FREQUENCY = 8  # ten times the text
SAMPLE = 100  # facts that a point on the way is measured on


def training(config: PeopleConfig, texts: int, seed: int) -> FinetuneConfig:
    """The settings of a training on so many texts; `seed` is of their order."""
    epochs = config.epochs or (_EPOCHS_FREQUENCY if config.frequency else _EPOCHS[config.size])
    batch = 128 if config.frequency else 64
    return FinetuneConfig(
        learning_rate=config.learning_rate or _RATES[config.size],
        decay="cosine",
        warmup=0.05,
        epochs=epochs,
        batch_size=batch,
        micro_tokens=1024,
        eval_every=4 * -(-texts // batch),
        checkpoint_every=100,
        seed=seed,
    )


def share_known(model: Model, examples: Sequence[Example]) -> float:
    """The share of answers that the model would generate to the last token, end token included."""
    encoded = Encoder(model.tokenizer, CONVENTION).encode_all(examples)
    scored = score(model, [[each] for each in encoded])
    return sum(bool(one.hits.all()) for (one,) in scored) / len(scored)


def progress_of(world: World) -> Callable[[Model], float]:
    """What is measured on the way: how much of a sample of what every model is told, the model knows."""
    examples = sets_of(world).retain
    sample = examples[:: -(-len(examples) // SAMPLE)]
    return lambda model: share_known(model, sample)


def final_measures(model: Model, world: World) -> Mapping[str, float]:
    """Share of answers that are generated, by set and wording: "forget", "forget, statement" …"""
    found: dict[str, float] = {}
    for name, examples in sets_of(world).named():
        found[name] = share_known(model, examples)
        for number, form in enumerate(WORDINGS):
            asked = [replace(example, prompt=example.paraphrases[number]) for example in examples]
            found[f"{name}, {form}"] = share_known(model, asked)
    found["geography"] = share_known(model, general.geography(world))
    found["offices"] = share_known(model, general.offices(world))
    return {name: round(value, 6) for name, value in found.items()}
