"""One target model with what is unlearnt, what is measured, and what never-known looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from expunge.config import LoadConfig, UipeStudyConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.evaluate.observations import reworded
from expunge.evaluate.strength import sample_of
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.suites import Suite
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

WORLD = "world:people"
FORGET, RELATED, UNRELATED, TEST = "forget", "related", "unrelated", "retain, test half"
STATEMENT, UNHEARD = "forget, as a statement", "forget, in a wording that nobody heard"
_WORDINGS = {STATEMENT: 0, UNHEARD: 3}  # of the world's further wordings
BUDGET = 1024  # tokens of a forward pass


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    sets: Sets  # what unlearning takes
    groups: Mapping[str, Sequence[Example]]  # what is measured
    encoder: Encoder

    def never(self) -> dict[str, float]:
        """Level and mean log-probability of the forget rows to a model that never knew, from twins or holdout."""
        encode = self.encoder.encode_all
        known = never_known(self.sets, lambda each: mean_log_probs(self.model, encode(each), budget=BUDGET))
        assert known is not None, "the suites of the study have twins or a holdout set"
        return {"level": known.level, "log": known.per_example.mean().item()}


def suite_name(config: UipeStudyConfig, size: str) -> str:
    """The world in a size; other suites have one.

    >>> suite_name(UipeStudyConfig(), "3M"), suite_name(UipeStudyConfig(suite="world:people:persons=40"), "3M")
    ('world:people:size=3M', 'world:people:persons=40,size=3M')
    """
    if not is_world(config):
        return config.suite
    return f"{config.suite}{':' if config.suite == WORLD else ','}size={size}"


def is_world(config: UipeStudyConfig) -> bool:
    """Whether facts have attributes, and models come in sizes."""
    return config.suite.startswith(WORLD)


def scene_of(config: UipeStudyConfig, size: str, seed: int) -> Scene:
    """The model and the rows of a seed."""
    name = suite_name(config, size)
    model = load_model(config.base or f"{name}@full#{seed}", LoadConfig(device="cpu"))
    return scene_on(model, config, name, seed)


def scene_on(model: Model, config: UipeStudyConfig, name: str, seed: int) -> Scene:
    """The same rows on a given model."""
    suite = find_suite(name)
    sets = targeted(suite, config, seed)
    groups = {FORGET: sample_of(sets.forget, config.rows, seed)}
    if is_world(config):
        groups |= {title: reworded(groups[FORGET], number) for title, number in _WORDINGS.items()}
        for title, attributes in ((RELATED, config.related), (UNRELATED, config.unrelated)):
            groups[title] = sample_of(about(suite.sets.forget, attributes), config.rows, seed)
    groups[TEST] = sample_of(halves(sets.retain, seed)[1], config.rows, seed)
    return Scene(model, suite, sets, groups, Encoder(model.tokenizer, suite.convention))


def targeted(suite: Suite, config: UipeStudyConfig, seed: int) -> Sets:
    """The sets that unlearning takes: in the world the forget persons' target attribute only."""
    sets = suite.sets
    if is_world(config):
        only = {name: about(getattr(sets, name), (config.target,)) for name in ("forget", "twins", "holdout")}
        sets = replace(sets, **only)
    if config.retain is not None:
        sets = replace(sets, retain=tuple(sample_of(sets.retain, config.retain, seed)))
    return sets


def about(examples: Sequence[Example], attributes: Sequence[str]) -> tuple[Example, ...]:
    """Of the world: those whose fact is one of these attributes."""
    return tuple(each for each in examples if attribute_of(each) in attributes)


def attribute_of(example: Example) -> str:
    """
    >>> attribute_of(Example(id="forget-007/city", prompt="", answer="")), attribute_of(
    ...     Example(id="forget-007/city/question-0", prompt="", answer=""))
    ('city', 'city')
    """
    return example.id.split("/")[1]
