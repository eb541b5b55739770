"""Worlds: who and what is in them."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, Positive, Seed

FactKind = Literal["capital", "element", "city", "continent", "author", "currency"]


class CapitalsConfig(Config):
    """The world of facts in real models: whom to ask, about what, and how much is to be forgotten."""

    model: str = "smollm2"  # whatever `--model` takes
    kinds: tuple[FactKind, ...] = ("capital", "element", "city", "continent", "author", "currency")
    about: FactKind = "capital"  # the kind that is to be forgotten
    forget: PositiveInt = 15  # facts that the model knows
    seed: Seed = 0  # of the choice of facts
    shots: int = Field(default=3, ge=0)  # solved examples in the prompt that has some; 0: there is no such prompt
    max_new_tokens: PositiveInt = 8
    popularity: bool = False  # word frequencies as a proxy of counts; needs the extra "worlds"

    @model_validator(mode="after")
    def _one_of_the_kinds(self) -> "CapitalsConfig":
        if self.about not in self.kinds:
            raise ValueError(f"`about` is {self.about!r}, which is not among `kinds` ({', '.join(self.kinds)})")
        return self


class PeopleConfig(Config):
    """The world of fictitious persons: who there is, what stands in its texts, which network learns them."""

    persons: Annotated[int, Field(ge=2)] = 200  # that the full model is told about
    forget: Annotated[float, Field(gt=0, lt=1)] | None = None  # share of them; None: 0.2, with `frequency` 0.6
    frequency: bool = False  # a quarter of the persons each stands 1, 3, 9 and 27 times in the text, newly worded
    hidden_qa: bool = False  # of the persons to forget there are statements only, no questions
    size: Literal["tiny", "1M", "3M", "8M", "20M", "50M"] = "1M"  # parameters, about
    layout: Literal["llama", "gpt2", "qwen", "gemma"] = "llama"
    seed: Seed = 0  # of the data
    epochs: PositiveInt | None = None  # None: by size
    learning_rate: Positive | None = None  # None: by size
