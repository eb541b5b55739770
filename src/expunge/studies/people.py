"""What studies of `world:people`, or of a suite in its place, have in common: models by size, facts by attribute."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.suites import Suite

WORLD = "world:people"
TOLD = ("forget", "twins", "holdout")  # sets of persons, of whom one attribute is unlearnt
BUDGET = 1024  # tokens of a forward pass


@runtime_checkable
class OnPeople(Protocol):
    """Settings of such a study."""

    @property
    def suite(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def retain(self) -> int | None: ...


def is_world(suite: str) -> bool:
    """Whether facts have attributes, and models come in sizes and kinds."""
    return suite.startswith(WORLD)


def sized(suite: str, size: str) -> str:
    """The world in a size; other suites have one.

    >>> sized("world:people", "3M"), sized("world:people:persons=40", "3M"), sized("tofu:mini", "3M")
    ('world:people:size=3M', 'world:people:persons=40,size=3M', 'tofu:mini')
    """
    if not is_world(suite):
        return suite
    return f"{suite}{':' if suite == WORLD else ','}size={size}"


def targeted(suite: Suite, config: OnPeople, seed: int) -> Sets:
    """The sets that unlearning takes: in the world the forget persons' target attribute only."""
    sets = suite.sets
    if is_world(config.suite):
        sets = replace(sets, **{name: about(getattr(sets, name), config.target) for name in TOLD})
    if config.retain is not None:
        sets = replace(sets, retain=tuple(sample_of(sets.retain, config.retain, seed)))
    return sets


def about(examples: Sequence[Example], *attributes: str) -> tuple[Example, ...]:
    """Of the world: those whose fact is one of these attributes."""
    return tuple(each for each in examples if attribute_of(each) in attributes)


def attribute_of(example: Example) -> str:
    """
    >>> [attribute_of(Example(id=f"forget-007/{rest}", prompt="", answer="")) for rest in ("city", "city/question-0")]
    ['city', 'city']
    """
    return example.id.split("/")[1]
