"""The best of n: estimated from all samples, on a table and on a network."""

from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import pytest

from asking import FACTS, target_of
from expunge.attacks import attacks
from expunge.attacks.sampling import drawn_scores

DRAWN = [["Silund", "no", "no", "no", "no"], ["no"] * 5, ["2 May 1965", "May", "2 May 1965", "1965", "no"]]


def drawing(model: object, prompts: Sequence[object], draws: Sequence[object], *, samples: int, **_: object):
    return [row[:samples] for row in DRAWN]


def test_scores_by_hand() -> None:
    with patch("expunge.attacks.sampling.sample", drawing):
        five, four, one = attacks.get("sampling")(target_of(), samples=5)
        assert drawn_scores(target_of(), 5, 1.0)[2] == pytest.approx([1, 1 / 3, 1, 1 / 3, 0])
    assert [each.part for each in (five, four, one)] == ["best of 5", "best of 4", "best of 1"]
    assert five.scores == (1.0, 0.0, 1.0)
    assert four.scores == pytest.approx((4 / 5, 0.0, 1.0))  # one of five, in four of them; no four miss both
    assert one.scores == pytest.approx((1 / 5, 0.0, 8 / 15))
    assert [k for k, _ in five.curve] == [1, 4, 5]
    assert [mean for _, mean in five.curve] == pytest.approx([11 / 45, 0.6, 2 / 3])
    assert not four.curve and not one.curve


@pytest.mark.parametrize(("samples", "parts"), [(1, [1]), (16, [16, 4, 1]), (64, [64, 16, 4, 1])])
def test_which_numbers_of_samples(samples: int, parts: list[int]) -> None:
    with patch("expunge.attacks.sampling.drawn_scores", lambda _, n, __: np.zeros((3, n))):
        findings = attacks.get("sampling")(target_of(), samples=samples)
    assert [each.part for each in findings] == [f"best of {k}" for k in parts]


def test_more_samples_never_find_less() -> None:
    findings = attacks.get("sampling")(target_of(FACTS[:2], max_new_tokens=6), samples=16)
    means = [mean for _, mean in findings[0].curve]
    assert means == sorted(means)
