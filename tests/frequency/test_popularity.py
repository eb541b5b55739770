"""The proxy: the rarer of subject and answer in general English."""

import sys

import pytest

from expunge.data.example import Example
from expunge.errors import MissingExtraError
from expunge.frequency.popularity import with_popularity

FRANCE = Example("1", "The capital of France is", "Paris", subject="France", count=7)
NAURU = Example("2", "The capital of Nauru is", "Paris", subject="Nauru")
UNKNOWN = Example("3", "The capital of Zorbania is", "Paris", subject="Zorbania")
ALONE = Example("4", "Which city is called the city of light?", "Paris")


def test_the_rarer_of_the_two() -> None:
    """Zipf values of wordfreq 3.1.1, whose data do not change any more."""
    pytest.importorskip("wordfreq", reason="wordfreq is not installed: the extra `worlds` brings it")
    rated = with_popularity([FRANCE, NAURU, UNKNOWN, ALONE])
    assert [each.popularity for each in rated] == [4.82, 2.94, 0.0, 4.82]
    assert rated[0].count == 7 and rated[0].id == "1"


def test_without_wordfreq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(MissingExtraError, match=r"'wordfreq'.*expunge\[worlds\]"):
        with_popularity([FRANCE])
