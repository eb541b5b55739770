"""What is written is read back as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from expunge.data.example import Example, Turn
from expunge.data.sets import load_data
from expunge.data.writing import row_of, write_examples

EXAMPLES = {
    "plain": Example("1", "the capital of arland is", "bexton"),
    "everything": Example(
        "2", "q\n«é»", "a", paraphrases=("p",), aliases=("b", "c"), paraphrased_answer="pa",
        perturbed_answers=("x", "y"), alternate="i do not know", subject="arland", group="g", count=0, weight=0.5,
    ),
    "document": Example("3", None, "a text\nof two lines", subject="x"),
    "conversation": Example(
        "4", "and now?", "yes",
        turns=(Turn("system", "be brief"), Turn("user", "hello"), Turn("assistant", "hi")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_round_trip(kind: str, tmp_path: Path) -> None:
    write_examples([EXAMPLES[kind]], tmp_path / "set.jsonl")
    (read,) = load_data(retain=tmp_path / "set.jsonl").retain
    assert replace(read, source="") == EXAMPLES[kind]


def test_what_is_empty_is_left_out() -> None:
    assert row_of(EXAMPLES["plain"]) == {"id": "1", "prompt": "the capital of arland is", "answer": "bexton"}
