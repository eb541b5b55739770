"""What scoring shows of greedy answers, and where it shows nothing."""

import numpy as np

from expunge.data.convention import Encoded
from expunge.evaluate.shown import shown

TEXT = Encoded((5, 6, 7, 8, 9), 2, "")


def test_up_to_the_first_miss() -> None:
    assert shown(TEXT, np.array([True, False, True]), [5, 6]) == [7]
    assert shown(TEXT, np.array([False, True, True]), [5, 6]) == []
    assert shown(TEXT, np.array([True, True, True]), [5, 6]) == [7, 8, 9]


def test_a_longer_prompt_has_some_of_what_was_scored() -> None:
    """A document is cut somewhere: what stands before the cut is given, whether it was hit or not."""
    assert shown(TEXT, np.array([False, True, True]), [5, 6, 7]) == [8, 9]
    assert shown(TEXT, np.array([True, True, False]), [5, 6, 7, 8]) == []
    assert shown(TEXT, np.array([True, True, True]), [5, 6, 7, 8, 9]) == []


def test_nothing_where_other_tokens_were_scored() -> None:
    every = np.array([True, True, True])
    assert shown(TEXT, every, [5, 7]) == []  # the tokenizer joins the answer's first word to the prompt
    assert shown(TEXT, every, [5]) == []
    assert shown(Encoded(TEXT.ids, 2, "", hidden=0), every, [5, 6]) == []
