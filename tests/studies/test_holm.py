"""Holm's correction: by hand, its definition, and the chance of one false finding."""

import numpy as np
import pytest

from expunge.errors import ConfigError
from expunge.studies.holm import holm


def test_by_hand() -> None:
    """Sorted .005 .01 .03 .04: times 4, 3, 2, 1 → .02 .03 .06 .04; never falling: the last is .06."""
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert list(holm({"z": 0.2, "a": 0.1})) == ["z", "a"]
    assert holm({"a": 0.7, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.03}) == {"a": 0.03} and holm({}) == {}


def test_equals_the_step_down_rule() -> None:
    """Going up the sorted p-values, reject while p ≤ α/(m - i): the same as corrected p ≤ α."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = {str(i): float(x) for i, x in enumerate(rng.random(5) ** 3)}
        rejected = set()
        for rank, name in enumerate(sorted(p, key=lambda each: p[each])):
            if p[name] > 0.05 / (5 - rank):
                break
            rejected.add(name)
        assert {name for name, value in holm(p).items() if value <= 0.05} == rejected


def test_chance_of_one_false_finding() -> None:
    draws = np.random.default_rng(1).random((2000, 8))
    found = [min(holm({str(i): float(x) for i, x in enumerate(row)}).values()) <= 0.05 for row in draws]
    assert np.mean(found) == pytest.approx(1 - (1 - 0.05 / 8) ** 8, abs=0.015)


def test_no_p_value() -> None:
    with pytest.raises(ConfigError, match=r"the p-value of 'b' is not between 0 and 1: nan"):
        holm({"a": 0.5, "b": float("nan")})
