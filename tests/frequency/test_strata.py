"""Buckets and slopes by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.frequency.strata import UNCOUNTED, buckets, slopes

COUNTS = st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=40)


def told(counts: list, edges: list[int] | None = None) -> list[tuple]:
    return [(each.name, each.least, each.most, len(each.rows)) for each in buckets(counts, edges)]


def test_tertiles() -> None:
    assert told(list(range(1, 10))) == [("low", 1, 3, 3), ("medium", 4, 6, 3), ("high", 7, 9, 3)]
    assert told([1, 1, 1, 1, 5, 9]) == [("low", 1, 1, 4), ("high", 5, 9, 2)]
    assert told([4, 4, 4]) == [("all", 4, 4, 3)]
    assert told([None, None]) == told([]) == []


def test_edges() -> None:
    counts = [0, 9, 10, 99, 100, None]
    assert told(counts, [10, 100]) == [("low", 0, 9, 2), ("medium", 10, 99, 2), ("high", 100, 100, 1),
                                       (UNCOUNTED, None, None, 1)]  # fmt: skip
    assert told(counts, [1000]) == [("all", 0, 100, 5), (UNCOUNTED, None, None, 1)]
    assert [each[0] for each in told([1, 2, 3, 4], [2, 3, 4])] == ["bucket 1", "bucket 2", "bucket 3", "bucket 4"]


@settings(deadline=None)
@given(COUNTS, st.one_of(st.none(), st.lists(st.integers(1, 30), min_size=1, unique=True).map(sorted)))
def test_they_add_up_to_the_whole(counts: list, edges: list[int] | None) -> None:
    found = buckets(counts, edges)
    rows = [row for each in found for row in each.rows]
    assert sorted(rows) == (list(range(len(counts))) if found else [])
    known = [each for each in found if each.least is not None]
    assert all(one.most < two.least for one, two in pairwise(known))  # type: ignore[operator]


def test_slopes() -> None:
    values, counts = np.array([0.1, 0.3, 0.2, 0.6]), [0, 9, 9, 99]
    weights = np.array([[1.0, 1, 1, 1], [1, 0, 0, 1], [0, 2, 0, 1], [0, 1, 1, 0]])
    found = slopes(values, np.log10(1.0 + np.array(counts)), weights)
    assert found[0] == pytest.approx(np.polyfit([0, 1, 1, 2], values, 1)[0])
    assert found[1:3] == pytest.approx([0.25, 0.3])
    assert np.isnan(found[3])  # one count only
