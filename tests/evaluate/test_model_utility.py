"""Model utility from an evaluation and from a record, and the harmonic mean under it."""

from dataclasses import replace
from statistics import harmonic_mean as of_python

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate.harmonic import harmonic_mean
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.model_utility import PARTS, model_utility
from expunge.evaluate.truth_ratio import truth_ratio
from expunge.record import Measured

RIGHT, WRONG = [np.log([0.5]), np.log([0.2])], [[np.log([0.25]), np.log([0.01])], [np.log([0.4]), np.log([0.4])]]


def results(**options: str) -> dict[str, dict[str, Metric]]:
    """Nine numbers; each truth ratio is of two examples, one of which the model gets wrong."""
    plain = {name: mean_metric([0.2, 0.6], "higher") for name in ("probability", "probability_normalized")}
    whole = {
        **plain,
        "rouge_l_recall": mean_metric([0.5], "higher"),
        "truth_ratio": truth_ratio(RIGHT, WRONG, **options),
    }
    return {title: {name: whole[name] for name in names} for title, names in PARTS.items()}


def test_by_hand() -> None:
    found = model_utility(results())
    truth = (1 - 0.05 / 0.5) / 2  # sqrt(0.25 × 0.01) = 0.05; the second is 0.4 over 0.2, so 0
    assert found.parts["world facts: truth_ratio"] == pytest.approx(truth)
    assert found.value == pytest.approx(of_python([0.4, 0.5, truth] * 3))
    assert len(found.parts) == 9


def test_the_original_script_takes_the_arithmetic_mean() -> None:
    found = model_utility(results(wrong="arithmetic"), compat="tofu")
    truth = (1 - 0.13 / 0.5) / 2
    assert found.value == pytest.approx(of_python([0.4, 0.5, truth] * 3))
    for compat, kind in (("none", "arithmetic"), ("tofu", "geometric")):
        with pytest.raises(ConfigError, match="must be measured as `truth_ratio"):
            model_utility(results(wrong=kind), compat=compat)


def test_every_form_that_holds_the_ratio_gives_the_same() -> None:
    assert model_utility(results(form="retain")).value == pytest.approx(model_utility(results()).value)
    with pytest.raises(ConfigError, match="not in the form “forget”"):
        model_utility(results(form="forget"))


def test_from_a_record() -> None:
    kept = {t: {n: Measured(**m.to_json()) for n, m in several.items()} for t, several in results().items()}
    assert model_utility(kept) == model_utility(results())


def test_what_is_missing_is_named() -> None:
    lacking = results()
    del lacking["real authors"]["rouge_l_recall"]
    with pytest.raises(ConfigError, match="needs 'rouge_l_recall' of 'real authors'"):
        model_utility(lacking)
    with pytest.raises(ConfigError, match="needs 'probability' of 'retain'"):
        model_utility({})


def test_one_zero_makes_it_zero() -> None:
    ruined = results()
    ruined["retain"]["rouge_l_recall"] = replace(ruined["retain"]["rouge_l_recall"], value=0.0)
    assert model_utility(ruined).value == 0.0


def test_harmonic_mean() -> None:
    assert harmonic_mean({"a": 0.2, "b": 0.9, "c": 1.4}) == pytest.approx(of_python([0.2, 0.9, 1.4]))
    assert harmonic_mean({"a": 5e-324, "b": 1.0}) == 0.0  # 1/x overflows to infinity
    for wrong in ({}, {"a": -0.1}, {"a": float("nan")}):
        with pytest.raises(ConfigError):
            harmonic_mean(wrong)
