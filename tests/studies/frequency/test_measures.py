"""What is said against what is likely, by hand."""

import numpy as np
import pytest

from expunge.studies.frequency.measures import Columns, apart


def columns(said: list[float], level: list[float]) -> dict[str, Columns]:
    likely = np.array([float(each >= 0.5) for each in level])
    return {"question": Columns(np.log(level), np.array(said), {"likely": likely})}


BEFORE = columns([1.0] * 24, [0.9] * 24)


def test_disagreement_is_counted_fact_by_fact() -> None:
    """Of 24 facts 12 are no longer said; 6 of these are unlikely, and 3 that are still said."""
    now = columns([0.0] * 12 + [1.0] * 12, [0.1] * 6 + [0.9] * 6 + [0.1] * 3 + [0.9] * 9)
    told = apart(BEFORE, now)["question"]["likely"]
    assert told["said"] == 0.5 and told["test"] == 0.375 and told["n"] == 24
    assert told["M"] == pytest.approx(0.125) and told["D"] == pytest.approx((6 + 3) / 24)


def test_ranks_are_of_levels() -> None:
    """What is no longer said lost .3 of its level: no fact fails the test, and yet the two agree on which were hit."""
    now = columns([0.0] * 12 + [1.0] * 12, [0.6] * 12 + [0.9] * 12)
    told = apart(BEFORE, now)["question"]["likely"]
    assert told["test"] == 0 and told["rho"] == pytest.approx(1.0)
    assert "rho" not in apart(BEFORE, BEFORE)["question"]["likely"]  # nothing was lost, so nothing is ranked


def test_under_twenty_facts_nothing_is_told() -> None:
    few = columns([1.0] * 19 + [0.0] * 5, [0.9] * 24)
    assert apart(few, BEFORE) == {}
    assert apart(columns([1.0] * 20 + [0.0] * 4, [0.9] * 24), BEFORE)["question"]["likely"]["n"] == 20
