"""The default world, built from nothing: who knows what, what twins show, what follows from what."""

import json
from pathlib import Path

import numpy as np
import pytest

from expunge.config import EvaluateConfig, PeopleConfig
from expunge.data.convention import Encoder
from expunge.evaluate.measure import Evaluation, measure
from expunge.evaluate.metric import Metric
from expunge.models.loading import load_model
from expunge.worlds.people.models import FACTS_FILE, make
from expunge.worlds.people.persons import people
from expunge.worlds.people.sets import CONVENTION, inferences, suite
from expunge.worlds.people.values import CITIES, HOBBIES

pytestmark = pytest.mark.slow
METRICS = ("probability", "rouge_l_recall", "extraction_strength", "generated_exact")
MODELS = ("full-0", "retrained-0", "retrained-1", "twin-0")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made anew: six minutes of processor time."""
    config = PeopleConfig()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPUNGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = [*make(config, ("full", "retrained", "twin")), *make(config, ("retrained",), (1,))]
    return {folder.name: folder for folder in made}


@pytest.fixture(scope="module")
def seen(folders: dict[str, Path]) -> dict[str, Evaluation]:
    world = people(PeopleConfig())
    made = suite(world, "world:people")
    sets = {**dict(made.sets.named()), **made.utility, **inferences(world)}
    found = {}
    for name in MODELS:
        model = load_model(str(folders[name]))
        found[name] = measure(
            model, sets, Encoder(model.tokenizer, CONVENTION), EvaluateConfig(metrics=METRICS, max_new_tokens=12)
        )
    return found


def known(folder: Path) -> dict[str, float]:
    return json.loads((folder / FACTS_FILE).read_text())["known"]


def test_the_full_model_answers_every_form_that_it_was_told(folders: dict[str, Path]) -> None:
    table = known(folders["full-0"])
    for name in ("forget", "retain"):
        for form in ("", ", statement", ", cloze"):
            assert table[name + form] >= 0.95, name + form
    assert min(table["geography"], table["offices"]) >= 0.95


@pytest.mark.parametrize("metric", METRICS)
def test_every_measure_moves_in_its_direction(seen: dict[str, Evaluation], metric: str) -> None:
    full = seen["full-0"]
    for name in ("retrained-0", "retrained-1", "twin-0"):
        other = seen[name]
        assert _apart(full["forget"][metric], other["forget"][metric]), name
        assert abs(full["retain"][metric].value - other["retain"][metric].value) < 0.05, name
    assert _apart(seen["twin-0"]["twins"][metric], full["twins"][metric])  # it was told of them


def _apart(upper: Metric, lower: Metric) -> bool:
    """The intervals do not touch."""
    assert upper.interval and lower.interval
    return upper.interval[0] > lower.interval[1]


@pytest.mark.parametrize("metric", METRICS)
def test_twins_score_like_retrained(seen: dict[str, Evaluation], metric: str) -> None:
    """The full model on never-seen twins, and retrained models on the forget set, whose twins they are."""
    twins = np.array(seen["full-0"]["twins"][metric].per_example)
    retrained = np.mean([seen[f"retrained-{i}"]["forget"][metric].per_example for i in (0, 1)], axis=0)
    by_person = (twins - retrained).reshape(40, 4).mean(1)
    generator = np.random.default_rng(0)
    draws = by_person[generator.integers(40, size=(4000, 40))].mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    print(f"{metric}: twins of full - forget of retrained = {by_person.mean():.3f} [{low:.3f}, {high:.3f}]")
    assert -0.1 < low < high < 0.1  # of a range of 0 to 1


def test_the_related_attribute_follows_and_the_unrelated_does_not(seen: dict[str, Evaluation]) -> None:
    for name in ("full-0", "retrained-0", "retrained-1"):
        related, unrelated = (seen[name][title]["generated_exact"] for title in inferences(people(PeopleConfig())))
        print(f"{name}: city {related.value:.3f} {related.interval}, hobby {unrelated.value:.3f} {unrelated.interval}")
        assert related.interval and related.interval[0] > 5 / len(CITIES)
        assert unrelated.interval and unrelated.interval[0] <= 1 / len(HOBBIES) <= unrelated.interval[1]
