"""What is told from the forget and the holdout set together: AUCs of membership scores."""

from functools import lru_cache

import pytest

from expunge.config import EvaluateConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.evaluate.measure import Evaluation, check_metrics, measure
from expunge.evaluate.membership import membership
from steps import taught_model, unequal_sets
from tiny import tiny_model

SETS = {"forget": unequal_sets().forget, "holdout": unequal_sets().holdout}
SCORES = ("loss", "zlib", "min_k", "min_k_plus_plus", "gradient_norm")


@lru_cache
def seen(*metrics: str, taught: bool = True, names: tuple[str, ...] = ("forget", "holdout")) -> Evaluation:
    model = taught_model() if taught else tiny_model()
    config = EvaluateConfig(metrics=metrics, max_new_tokens=2)
    return measure(model, {name: SETS[name] for name in names}, Encoder(model.tokenizer), config)


def test_every_membership_score_that_was_asked_for_gets_its_auc() -> None:
    found = seen("probability", *SCORES)
    assert set(found.between) == {f"{name}_auc" for name in SCORES}
    for name in SCORES:
        ours, theirs = (found[part][name].per_example for part in ("forget", "holdout"))
        assert found.between[f"{name}_auc"].value == membership(ours, theirs).auc.value
        assert found.between[f"{name}_auc"].n == len(SETS["forget"])


def test_a_model_that_knows_the_forget_set_gives_it_away() -> None:
    found = seen("probability", *SCORES)
    assert all(found.between[f"{name}_auc"].value == 1.0 for name in SCORES)


def test_unasked_there_are_those_that_cost_nothing() -> None:
    assert set(seen("probability").between) == {"loss_auc", "min_k_auc"}
    assert set(seen("probability")["forget"]) == {"probability"}
    assert seen("generated_exact").between == {}
    assert seen("probability", names=("forget",)).between == {}


def test_identical_sets_cannot_be_told_apart() -> None:
    model = tiny_model()
    same = {"forget": SETS["forget"], "holdout": SETS["forget"]}
    found = measure(model, same, Encoder(model.tokenizer), EvaluateConfig(metrics=SCORES))
    assert [metric.value for metric in found.between.values()] == [0.5] * len(SCORES)


@pytest.mark.parametrize("k", [0.2, 1.0])
def test_options_hold_for_both_sets(k: float) -> None:
    found = seen(f"min_k:k={k}")
    ours, theirs = (found[part]["min_k"].per_example for part in ("forget", "holdout"))
    assert found.between["min_k_auc"].per_example == membership(ours, theirs).auc.per_example
    for each in (found["forget"]["min_k"], found.between["min_k_auc"]):
        assert each.note.startswith(f"k={k}")
    assert "k=" not in seen("min_k:k=0.4")["forget"]["min_k"].note  # that is the usual one


def test_a_metric_with_two_options_is_refused() -> None:
    """Results go by names: one of the two would be lost."""
    for metrics in (("min_k:k=0.2", "min_k:k=1.0"), ("min_k", "mink"), ("loss", "loss")):
        with pytest.raises(ConfigError, match="is named twice"):
            check_metrics(EvaluateConfig(metrics=metrics))
        with pytest.raises(ConfigError, match="is named twice"):
            seen(*metrics)
