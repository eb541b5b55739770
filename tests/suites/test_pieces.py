"""Documents in pieces: nothing is lost, cuts stand where a reader would make them."""

from hypothesis import given
from hypothesis import strategies as st

from expunge.data.example import Example
from expunge.suites.pieces import in_pieces, pieces


@given(st.text(alphabet="ab. \n", max_size=60), st.integers(1, 12))
def test_pieces_are_the_text_and_no_longer_than_asked(text: str, longest: int) -> None:
    parts = list(pieces(text, longest))
    assert "".join(parts) == text
    assert all(len(part) <= longest for part in parts)


def test_cuts_prefer_paragraphs_then_lines_sentences_and_words() -> None:
    assert list(pieces("aaaa bbb\n\ncc. dddd", 12)) == ["aaaa bbb\n\n", "cc. dddd"]
    assert list(pieces("aaaa bbb\ncc. dddd", 12)) == ["aaaa bbb\n", "cc. dddd"]
    assert list(pieces("aaaa bbb cc. dddd", 14)) == ["aaaa bbb cc. ", "dddd"]
    assert list(pieces("a\n\naaaaaaaa bbbb cc", 14)) == ["a\n\naaaaaaaa ", "bbbb cc"]  # no short first piece
    assert list(pieces("abcdefghij", 4)) == ["abcd", "efgh", "ij"]


def test_the_pieces_of_a_document_are_one_group() -> None:
    found = in_pieces([Example("x", None, "one two three"), Example("y", None, "four")], 8)
    assert [(each.id, each.answer, each.group) for each in found] == [
        ("x/1", "one two ", "x"), ("x/2", "three", "x"), ("y", "four", "y"),
    ]  # fmt: skip
