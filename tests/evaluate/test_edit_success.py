"""Edits: what a model says beside what it is credited for when it is led by the hand."""

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.evaluate import metrics
from expunge.evaluate.edit_success import edit_locality, edit_success
from expunge.evaluate.exact_memorization import exact_memorization
from expunge.evaluate.teacher_forced_success import teacher_forced_locality, teacher_forced_success


def test_the_target_must_be_said() -> None:
    found = edit_success(["It is Rome.", "Romeo", "Oslo"], [["Rome"], ["Rome"], ["Bergen", "Oslo"]])
    assert (found.per_example, found.unit) == ((1.0, 0.0, 1.0), "examples")
    assert edit_success(["It is Rome.", "rome!"], [["Rome"], ["Rome"]], exact=True).per_example == (0.0, 1.0)


def test_locality_is_against_the_unedited_model_not_against_the_truth() -> None:
    assert edit_locality(["Paris is wrong", "Oslo"], ["paris is wrong.", "Bergen"]).per_example == (1.0, 0.0)
    with pytest.raises(ConfigError, match="2 answers before the edit and 1 after"):
        edit_locality(["a", "b"], ["a"])


def test_teacher_forcing_flatters_and_says_so() -> None:
    hits = [np.array([False, True, True, True])]  # the first token is wrong: greedily the rest would never come
    found = teacher_forced_success(hits)
    assert (found.value, "flattering" in found.note) == (0.75, True)
    assert found.per_example == exact_memorization(hits).per_example
    assert metrics.get("teacher_forced_success").reads.startswith("Flattering")


def test_teacher_forced_locality() -> None:
    before, after = [np.array([1, 2, 3]), np.array([4])], [np.array([1, 0, 3]), np.array([5])]
    assert teacher_forced_locality(before, after).per_example == (pytest.approx(2 / 3), 0.0)
    with pytest.raises(ConfigError, match="the same tokens"):
        teacher_forced_locality(before, after[:1])
