"""One target model with what is unlearnt, what is measured, and what never-known looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from expunge.change import WeightChange
from expunge.config import ClueStudyConfig, LoadConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.evaluate.observations import reworded
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.clue import skill
from expunge.studies.people import BUDGET, is_world
from expunge.suites import Suite
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

FORGET, REWORDED, TEST, SKILL = "forget", "forget, reworded", "retain, test half", skill.SKILL
REST = "forget, the rest"  # where a share of the forget set is unlearnt alone
NO_GENERAL = (FORGET, REWORDED, TEST, SKILL, REST)  # what is measured besides is what GU is the mean of
TAUGHT = "taught.safetensors"
_GENERAL = ("geography", "offices", "related: city, given the employer")  # of the world, on which nothing is trained
_KINDS = ("geography", "offices")  # of the world: knowledge of another kind than that of persons


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    sets: Sets  # what unlearning takes
    groups: Mapping[str, Sequence[Example]]  # what is measured
    chooses: Sequence[Example]  # of half of the retain set, by which a checkpoint is chosen
    kinds: Mapping[str, Sequence[Example]]  # retain sets of another kind, that may have circuits of their own
    controls: Sequence[Example]  # never seen: twins, else the holdout set
    encoder: Encoder
    seed: int

    @cached_property
    def never(self) -> float:
        """The level of never-known answers. The model must be at its start when this is asked first."""
        known = never_known(self.sets, self.logs)
        assert known is not None, "`plan.check` wants twins or a holdout set"
        return known.level

    def level(self, examples: Sequence[Example]) -> float:
        """Mean answer probability per token."""
        return self.logs(examples).exp().mean().item()

    def logs(self, examples: Sequence[Example]):
        """Mean log-probability per token of each answer."""
        return mean_log_probs(self.model, self.encoder.encode_all(examples), budget=BUDGET)


def scene_of(config: ClueStudyConfig, seed: int, taught: str | None = None) -> Scene:
    """The model and the rows of a seed. `taught` is the folder of what a model of the world was taught besides."""
    suite = find_suite(config.suite)
    return scene_on(_knowing(config, suite, seed, taught), suite, config, seed)


def scene_on(model: Model, suite: Suite, config: ClueStudyConfig, seed: int) -> Scene:
    """The rows of a seed on a given model."""
    sample = lambda examples, size=config.rows: sample_of(examples, size, seed)
    sets = suite.sets
    if config.retain is not None:
        sets = replace(sets, retain=tuple(sample(sets.retain, config.retain)))
    forget, (chooses, tests) = sample(sets.forget), halves(sets.retain, seed)
    groups = {FORGET: forget, REWORDED: reworded(forget, 0), TEST: sample(tests)}
    groups |= {title: sample(suite.utility[title]) for title in general(suite, config)}
    kinds = {title: suite.utility[title] for title in kinds_of(suite, config)}
    if config.skill:
        lists = skill.asked(skill.words_of(model.tokenizer), 2 * config.rows, seed)
        kinds[SKILL], groups[SKILL] = lists[: config.rows], list(lists[config.rows :])
    return Scene(
        model=model, suite=suite, sets=sets, groups={title: rows for title, rows in groups.items() if rows},
        chooses=sample(chooses, 2 * config.rows), kinds=kinds,
        controls=sample(sets.twins or sets.holdout, 2 * config.rows),
        encoder=Encoder(model.tokenizer, suite.convention), seed=seed,
    )  # fmt: skip


def general(suite: Suite, config: ClueStudyConfig) -> tuple[str, ...]:
    """Titles of what is measured and never trained on."""
    return _GENERAL if is_world(config.suite) else tuple(suite.utility)


def kinds_of(suite: Suite, config: ClueStudyConfig) -> tuple[str, ...]:
    """Titles of at most two sets of another kind than the forget set."""
    if is_world(config.suite):
        return _KINDS
    return tuple(title for title in suite.utility if title != "related" and not title.startswith("other "))[:2]


def _knowing(config: ClueStudyConfig, suite: Suite, seed: int, taught: str | None) -> Model:
    """The model that knows the facts."""
    if not is_world(config.suite):
        return load_model(config.base or suite.model or "", LoadConfig(device="cpu"))
    model = load_model(f"{config.suite}@full#{seed}", LoadConfig(device="cpu"))
    if taught is not None:
        WeightChange.load(Path(taught) / TAUGHT).apply_to(model)
    return model
