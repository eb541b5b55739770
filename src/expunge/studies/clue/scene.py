"""One target model with what is unlearnt, what is measured, and what never-known looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.config import ClueStudyConfig, LoadConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.evaluate.observations import reworded
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.people import BUDGET
from expunge.studies.running import write_result
from expunge.suites import Suite
from expunge.train.levels import mean_log_probs
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

FORGET, STATEMENT, TEST = "forget", "forget, as a statement", "retain, test half"
OTHERS = ("geography", "offices", "related: city, given the employer")  # what nothing is trained on: GU
RETAINED = ("geography", "offices")  # retain sets of another kind, that may have circuits of their own


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    groups: Mapping[str, Sequence[Example]]  # what is measured
    chooses: Sequence[Example]  # half of the retain set, by which a checkpoint is chosen
    encoder: Encoder
    seed: int

    @property
    def sets(self) -> Sets:
        """What unlearning takes."""
        return self.suite.sets

    def level(self, examples: Sequence[Example]) -> float:
        """Mean answer probability per token."""
        logs = mean_log_probs(self.model, self.encoder.encode_all(examples), budget=BUDGET)
        return logs.exp().mean().item()


def model(folder: Path, *, config: Mapping[str, Any], seed: int) -> None:
    """The job: a model of the world is made, or found in the cache."""
    name = f"{ClueStudyConfig.model_validate(config).suite}@full#{seed}"
    load_model(name, LoadConfig(device="cpu"))
    write_result(folder, {"model": name})


def scene_of(config: ClueStudyConfig, seed: int) -> Scene:
    """The model and the rows of a seed."""
    suite = find_suite(config.suite)
    loaded = load_model(f"{config.suite}@full#{seed}", LoadConfig(device="cpu"))
    sample = lambda examples: sample_of(examples, config.rows, seed)
    forget, (chooses, tests) = sample(suite.sets.forget), halves(suite.sets.retain, seed)
    groups = {FORGET: forget, STATEMENT: reworded(forget, 0), TEST: sample(tests)}
    groups |= {title: sample(suite.utility[title]) for title in OTHERS}
    return Scene(loaded, suite, groups, chooses, Encoder(loaded.tokenizer, suite.convention), seed)
