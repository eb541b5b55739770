"""One target model with what is unlearnt, what is measured, and what never-known looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.config import LoadConfig, UipeStudyConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.evaluate.observations import reworded
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.people import BUDGET, about, is_world, sized, targeted
from expunge.studies.results import write_result
from expunge.suites import Suite
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

FORGET, RELATED, UNRELATED, TEST = "forget", "related", "unrelated", "retain, test half"
STATEMENT, UNHEARD = "forget, as a statement", "forget, in a wording that nobody heard"
_WORDINGS = {STATEMENT: 0, UNHEARD: 3}  # of the world's further wordings


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    sets: Sets  # what unlearning takes
    groups: Mapping[str, Sequence[Example]]  # what is measured
    wrong: Mapping[str, Sequence[Example]]  # which of that against wrong answers
    encoder: Encoder

    def never(self) -> dict[str, float]:
        """Level and mean log-probability of the forget rows to a model that never knew, from twins or holdout."""
        encode = self.encoder.encode_all
        known = never_known(self.sets, lambda each: mean_log_probs(self.model, encode(each), budget=BUDGET))
        assert known is not None, "the suites of the study have twins or a holdout set"
        return {"level": known.level, "log": known.per_example.mean().item()}


def model(folder: Path, *, config: Mapping[str, Any], size: str, kind: str, seed: int) -> None:
    """The job: a model of the world is made, or found in the cache."""
    name = f"{sized(UipeStudyConfig.model_validate(config).suite, size)}@{kind}#{seed}"
    load_model(name, LoadConfig(device="cpu"))
    write_result(folder, {"model": name})


def scene_of(config: UipeStudyConfig, size: str, seed: int) -> Scene:
    """The model and the rows of a seed."""
    name = sized(config.suite, size)
    model = load_model(config.base or f"{name}@full#{seed}", LoadConfig(device="cpu"))
    return scene_on(model, config, name, seed)


def scene_on(model: Model, config: UipeStudyConfig, name: str, seed: int) -> Scene:
    """The same rows on a given model."""
    suite = find_suite(name)
    sets = targeted(suite, config, seed)
    groups = {FORGET: sample_of(sets.forget, config.rows, seed)}
    if is_world(config.suite):
        groups |= {title: reworded(groups[FORGET], number) for title, number in _WORDINGS.items()}
        for title, attributes in ((RELATED, config.related), (UNRELATED, config.unrelated)):
            groups[title] = sample_of(about(suite.sets.forget, *attributes), config.rows, seed)
    groups[TEST] = halves(sets.retain, seed)[1]  # whole: the floor is promised for the half, not for a part of it
    wrong = {FORGET: groups[FORGET], TEST: sample_of(groups[TEST], config.retained, seed)}
    wrong = {title: group for title, group in wrong.items() if all(each.perturbed_answers for each in group)}
    return Scene(model, suite, sets, groups, wrong, Encoder(model.tokenizer, suite.convention))
