"""What a suite is: sets with known roles, the convention and metrics they are measured under, published numbers.

Public benchmarks and worlds that Expunge makes itself have this one form, so that everything that takes a suite takes
a world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.example import Example, Sets

Role = Literal["forget", "retain", "holdout", "twins"]
_ROLES: dict[str, Role] = {"forget": "forget", "retain": "retain", "holdout": "holdout", "twins": "twins"}


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

    What trains and what is measured may differ. TOFU unlearns with 3,600 retained rows and measures 400 of them; MUSE
    unlearns documents and asks questions about them. So sets named in `only_trained` are not measured, and what is
    only measured stands in `probes` (of what must go) and `utility` (of what must stay), title → set.
    """

    name: str  # as typed: "tofu:forget05", "world:people"
    sets: Sets  # what `unlearn` takes
    utility: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    convention: ConventionConfig = field(default_factory=ConventionConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of its numbers must know
    probes: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    only_trained: tuple[Role, ...] = ()
    model: str | None = None  # the real model that the sets were made for, where they depend on one
    texts: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)  # "full", "retrained": what those trained on

    def measured(self) -> dict[str, tuple[Example, ...]]:
        """Title → set, for everything that is measured; sets without examples are left out."""
        own = {name: examples for name, examples in self.sets.named() if name not in self.only_trained}
        further = {**self.probes, **self.utility}
        return {**own, **{title: examples for title, examples in further.items() if examples}}

    def role(self, title: str) -> Role:
        """What a measured set is: something that must go, must stay, or was never trained on."""
        if title in self.probes:
            return "forget"
        return "retain" if title in self.utility else _ROLES[title]

    def training(self, which: Literal["full", "retrained"]) -> tuple[Example, ...]:
        """What a model is fine-tuned on that knows everything ("full"), or that never saw the forget set."""
        if which in self.texts:
            return self.texts[which]
        return (*self.sets.forget, *self.sets.retain) if which == "full" else self.sets.retain

    def planted(self) -> tuple[Example, ...]:
        """What "full" trains on and "retrained" does not."""
        if not self.texts:
            return self.sets.forget
        kept = {each.id for each in self.training("retrained")}
        return tuple(each for each in self.training("full") if each.id not in kept)
