"""What a suite is: sets with known roles, the convention and metrics they are measured under, published numbers.

Public benchmarks and worlds that Expunge makes itself have this one form, so that everything that takes a suite takes
a world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.example import Example, Sets


@dataclass(frozen=True)
class Published:
    """A number from elsewhere to compare with, and where it stands."""

    model: str  # what was measured: "Llama-3.2-1B-Instruct, finetuned"
    metric: str  # ours where there is one: "extraction_strength"; else the source's name
    on: str  # the set: "forget"
    value: float
    source: str  # paper or repository


@dataclass(frozen=True)
class Suite:
    """One benchmark, ready to be measured on and to unlearn.

    What trains and what is measured may differ (TOFU unlearns with 3,600 retained rows and measures 400 of them):
    sets named in `only_trained` are not measured, and `utility` holds what is measured in their place.
    """

    name: str  # as typed: "tofu:forget05", "world:people"
    sets: Sets  # what `unlearn` takes
    utility: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)  # further sets, only measured: title → set
    convention: ConventionConfig = field(default_factory=ConventionConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of its numbers must know
    only_trained: tuple[Literal["forget", "retain"], ...] = ()

    def measured(self) -> dict[str, tuple[Example, ...]]:
        """Title → set, for everything that is measured: the sets first, then what is only measured."""
        own = {name: examples for name, examples in self.sets.named() if name not in self.only_trained}
        return {**own, **self.utility}

    def training(self, which: Literal["full", "retrained"]) -> tuple[Example, ...]:
        """What a model is fine-tuned on that knows everything ("full"), or that never saw the forget set."""
        return (*self.sets.forget, *self.sets.retain) if which == "full" else self.sets.retain
