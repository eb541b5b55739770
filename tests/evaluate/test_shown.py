"""What scoring shows of greedy answers, and where it shows nothing."""

import numpy as np
import pytest

from expunge.data.convention import Encoded
from expunge.evaluate.shown import shown

END = 2
OPEN = Encoded((5, 6, 7, 8, 9), 2, "")
CLOSED = Encoded((5, 6, 7, 8, END), 2, "")


def hits(*each: int) -> np.ndarray:
    return np.array(each, dtype=bool)


@pytest.mark.parametrize(
    ("scored", "hit", "longest", "expected"),
    [
        (CLOSED, hits(1, 1, 1), 9, [7, 8]),
        (CLOSED, hits(1, 1, 0), 9, None),  # it would go on
        (CLOSED, hits(1, 1, 0), 2, [7, 8]),  # and could not
        (CLOSED, hits(1, 1, 1), 1, [7]),
        (OPEN, hits(1, 1, 1), 9, None),  # how it goes on was not scored
        (OPEN, hits(1, 1, 1), 3, [7, 8, 9]),
        (OPEN, hits(1, 0, 1), 3, None),
        (OPEN, hits(1, 0, 1), 1, [7]),
        (Encoded((5, 6, END, 8, 9), 2, ""), hits(1, 0, 0), 9, []),  # what stands behind an end is never said
    ],
)
def test_up_to_the_end_or_as_much_as_is_asked_for(
    scored: Encoded, hit: np.ndarray, longest: int, expected: list[int] | None
) -> None:
    assert shown(scored, hit, [5, 6], {END}, longest) == expected


def test_a_longer_prompt_has_some_of_what_was_scored() -> None:
    """A document is cut somewhere: what stands before the cut is given, whether it was hit or not."""
    assert shown(OPEN, hits(0, 1, 1), [5, 6, 7], {END}, 2) == [8, 9]
    assert shown(OPEN, hits(1, 1, 0), [5, 6, 7], {END}, 2) is None
    assert shown(OPEN, hits(1, 1, 1), [5, 6, 7, 8, 9], {END}, 2) is None


def test_nothing_where_other_tokens_were_scored() -> None:
    every = hits(1, 1, 1)
    assert shown(CLOSED, every, [5, 7], {END}, 9) is None  # the tokenizer joins the answer's first word to the prompt
    assert shown(CLOSED, every, [5], {END}, 9) is None
    assert shown(Encoded(CLOSED.ids, 2, "", hidden=0), every, [5, 6], {END}, 9) is None
