"""What is given of the answer, and that only the rest is scored."""

from dataclasses import replace

import pytest

from asking import FACTS, asked, found, target_of


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, "Bram Lunt lives in Wex"), (0.01, "Bram Lunt lives in "), (1.0, "Bram Lunt lives in Wexfor")],
)
@pytest.mark.parametrize("chat", [False, True])
def test_a_share_of_the_tokens_is_given(share: float, expected: str, chat: bool) -> None:
    """A byte each, the blank before the answer among them in plain text: " Wexford" has 8, of which 4 are " Wex"."""
    (text,) = asked("answer_start", target_of(FACTS[1:2], chat=chat), share=share)
    if not chat:
        assert text == expected
    elif share == 0.5:
        assert text.endswith("Bram Lunt lives in<|im_end|>\n<|im_start|>assistant\nWex")  # 3 of 7


def test_only_the_rest_counts() -> None:
    target = target_of(FACTS[1:2])
    score = lambda reply: found("answer_start", target, lambda _: reply)[0].scores
    assert score("ford") == score("ford.") == (1.0,)
    assert score("Wexford") == score("Wex") == (0.0,)


def test_answers_that_cannot_be_parted_are_left_out() -> None:
    short = replace(FACTS[1], prompt="Bram Lunt lives in ", answer="W")
    closed = replace(FACTS[1], prompt="Bram Lunt lives in ", answer="W.!")
    (finding,) = found("answer_start", target_of((short, closed, FACTS[0])), lambda _: "Energy")
    assert finding.rows == (2,)
    assert found("answer_start", target_of((short, closed))) == []
