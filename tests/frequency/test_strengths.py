"""Strengths by hand: what counts and proxies make of a loss."""

from dataclasses import replace
from math import log

import pytest

from expunge.config import StrengthConfig
from expunge.data.example import Example
from expunge.errors import DataError
from expunge.frequency.ordering import FIELDS, PROXIES, scale_of, shares
from expunge.frequency.strengths import strengths, strengths_of

ROWS = [Example(str(i), "p", "a", count=c, source=f"f.jsonl:{i + 1}") for i, c in enumerate((0, 9, 99))]


def test_by_hand() -> None:
    raw = [1.0, 1 + log(10), 1 + log(100)]
    mean = sum(raw) / 3
    assert strengths([0, 9, 99], 1.0) == pytest.approx([each / mean for each in raw])
    squares = [each**2 for each in raw]
    assert strengths([0, 9, 99], 2.0) == pytest.approx([each / (sum(squares) / 3) for each in squares])


def test_power_0_is_exactly_1() -> None:
    assert strengths([0, 1, 10**9, None, 7], 0.0) == [1.0] * 5


def test_what_was_never_counted_keeps_its_weight() -> None:
    found = strengths([0, None, 1000], 1.0)
    assert found[1] == 1.0 and 0 < found[0] < 1 < found[2]
    assert sum(found) / 3 == pytest.approx(1)
    assert strengths([0, 0, 1000], 50.0)[0] > 0


def test_a_proxy_only_orders() -> None:
    """Whatever its scale: the rarest counts as 0 times, the most frequent as 99 times."""
    assert strengths([-8.0, -2.5, -0.1], 1.0, "paraphrase") == strengths([3.0, 5.0, 900.0], 1.0, "margin")
    raw = [1.0, 1 + log(100) / 2, 1 + log(100)]
    assert strengths([1.0, 2.0, 3.0], 1.0, "popularity") == pytest.approx([each / (sum(raw) / 3) for each in raw])


def test_ranks_and_scales() -> None:
    assert shares([4.0, 4.0, 1.0]).tolist() == [0.75, 0.75, 0.0]
    assert shares([4.0]).tolist() == [0.5]
    assert scale_of([0, 9], "count").tolist() == [0, 1]
    assert scale_of([7.5, 6.5], "margin").tolist() == [1, 0]


def test_a_set_without_what_it_goes_by() -> None:
    assert strengths_of(ROWS, StrengthConfig()) == strengths([0, 9, 99], 1.0)
    none = [replace(each, count=None) for each in ROWS]
    with pytest.raises(DataError, match=r"3 of 3 forget examples have no `count` \(the first is f.jsonl:1\)"):
        strengths_of(none, StrengthConfig())
    with pytest.raises(DataError, match="expunge count --corpus PATH --forget F"):
        strengths_of(none, StrengthConfig())
    for proxy in PROXIES:
        with pytest.raises(DataError, match=f"`{FIELDS[proxy]}`.*expunge count --proxy {proxy}"):
            strengths_of(ROWS, StrengthConfig(by=proxy))
    assert len(strengths_of([*ROWS, *none], StrengthConfig())) == 6
