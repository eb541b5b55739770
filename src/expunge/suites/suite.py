"""What a suite is: sets with known roles, the convention and metrics they are measured under, published numbers.

Public benchmarks and worlds that Expunge makes itself have this one form, so that everything that takes a suite takes
a world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """One benchmark, ready to be measured on and to unlearn."""

    name: str  # as typed: "tofu:forget05", "world:people"
    sets: Sets  # what `unlearn` takes
    utility: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)  # further sets, only measured: title → set
    convention: ConventionConfig = field(default_factory=ConventionConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of its numbers must know
