"""The original aggregation of TOFU, recomputed from published evaluation logs of Phi-1.5 (trained on all, on retain90).

Each log holds mean losses per example; `expected.json` is what the original aggregation makes of them. The logs end
after 300 of the 400 forget and retain rows. The mean over the wrong answers is geometric there on every set, and the
logs' own truth ratio is wrong over right, as ours.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from expunge.evaluate.forget_quality import forget_quality
from expunge.evaluate.metric import Metric, mean_metric
from expunge.evaluate.model_utility import model_utility
from expunge.evaluate.probability import probability
from expunge.evaluate.probability_normalized import probability_normalized
from expunge.evaluate.truth_ratio import truth_ratio

FOLDER = Path(os.environ.get("EXPUNGE_TOFU", "")).parent / "tofu_logs"
FILES = {
    "Real Authors": "eval_real_author_wo_options.json",
    "Real World": "eval_real_world_wo_options.json",
    "Retain": "eval_log.json",
    "Forget": "eval_log_forget.json",
}
pytestmark = pytest.mark.skipif(
    not os.environ.get("EXPUNGE_TOFU") or not (FOLDER / "expected.json").is_file(),
    reason="there is no folder tofu_logs with published evaluation logs beside the folder EXPUNGE_TOFU",
)


@lru_cache
def log_of(model: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"phi-1.5_{model}.json").read_text())


def expected(model: str) -> dict[str, float]:
    return json.loads((FOLDER / "expected.json").read_text())[model]


def means(model: str, part: str, field: str) -> list[Any]:
    """A field of a log, as one "token" of the mean log-probability each."""
    rows = log_of(model)[FILES[part]][field]
    values = [rows[str(i)] for i in range(len(rows))]
    return [[np.array([-x]) for x in v] if isinstance(v, list) else np.array([-v]) for v in values]


def ratio(model: str, part: str, **options: Any) -> Metric:
    right, wrong = means(model, part, "avg_paraphrased_loss"), means(model, part, "average_perturb_loss")
    return truth_ratio(right, wrong, **options)


@pytest.mark.parametrize("model", ["full", "retain90"])
def test_probabilities(model: str) -> None:
    for part in ("Retain", "Forget"):
        ours = probability(means(model, part, "avg_gt_loss"))
        assert ours.value == pytest.approx(expected(model)[f"Prob. {part}"], rel=1e-9)
    for part in ("Real Authors", "Real World"):
        pairs = means(model, part, "avg_gt_loss"), means(model, part, "average_perturb_loss")
        assert probability_normalized(*pairs).value == pytest.approx(expected(model)[f"Prob. {part}"], rel=1e-9)


@pytest.mark.parametrize("model", ["full", "retain90"])
def test_truth_ratios(model: str) -> None:
    forget = ratio(model, "Forget", form="forget")
    assert forget.value == pytest.approx(expected(model)["Truth Ratio Forget"], rel=1e-6)
    for part in ("Retain", "Real Authors", "Real World"):
        ours = ratio(model, part, form="retain")
        assert ours.value == pytest.approx(expected(model)[f"Truth Ratio {part}"], rel=1e-6)


@pytest.mark.parametrize("model", ["full", "retain90"])
def test_every_logged_truth_ratio(model: str) -> None:
    for part, file in FILES.items():
        rows = log_of(model)[file]["truth_ratio"]
        ours = 1 / np.array(ratio(model, part).per_example) - 1
        np.testing.assert_allclose([rows[str(i)] for i in range(len(rows))], ours, rtol=1e-5)


def test_forget_quality() -> None:
    found = forget_quality(ratio("full", "Forget").per_example, ratio("retain90", "Forget").per_example)
    want = expected("full_vs_retain90")
    assert found.p == pytest.approx(want["Forget Quality"], rel=1e-9)
    assert found.distance == pytest.approx(want["KS Test Forget"], rel=1e-12)
    assert found.log10_p == pytest.approx(-15.6587, abs=1e-4)
    assert found.n == (300, 300)


def everything(model: str) -> dict[str, dict[str, Metric]]:
    """All metrics of a log under the names of the suite `tofu`."""
    parts = {"retain": "Retain", "real authors": "Real Authors", "world facts": "Real World"}
    found = {}
    for title, part in parts.items():
        right, wrong = means(model, part, "avg_gt_loss"), means(model, part, "average_perturb_loss")
        rows = log_of(model)[FILES[part]]["rougeL_recall"]
        found[title] = {
            "probability": probability(right), "probability_normalized": probability_normalized(right, wrong),
            "rouge_l_recall": mean_metric([rows[str(i)] for i in range(len(rows))], "higher"),
            "truth_ratio": ratio(model, part),
        }  # fmt: skip
    return found


@pytest.mark.parametrize("model", ["full", "retain90"])
def test_model_utility(model: str) -> None:
    found = model_utility(everything(model))
    assert found.value == pytest.approx(expected(model)["Model Utility"], abs=5e-7)
    for title, part in (("retain", "Retain"), ("real authors", "Real Authors"), ("world facts", "Real World")):
        rouge = found.parts[f"{title}: rouge_l_recall"]
        assert rouge == pytest.approx(expected(model)[f"ROUGE {part}"], rel=1e-9)


def test_model_utility_with_arithmetic_means_is_another_number() -> None:
    """The form that the original evaluation script takes; `expected.json` has the geometric one."""
    arithmetic = everything("full")
    for title, part in (("retain", "Retain"), ("real authors", "Real Authors"), ("world facts", "Real World")):
        arithmetic[title]["truth_ratio"] = ratio("full", part, wrong="arithmetic")
    found = model_utility(arithmetic, compat="tofu")
    assert 0.01 < expected("full")["Model Utility"] - found.value < 0.05
