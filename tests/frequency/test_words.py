"""The normal form: rules by hand, and runs outside ASCII against the whole text at once."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expunge.frequency.words import block_of, loose, words_of
from frequency.naive import said

MIXED = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("aB.-_ \n'’éß東ไ\u0301\u0323\u0338ﬁİΣς가\u1161½Å²™①№\u00ad")
    )
)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("New York", "new-york"), ("New York", "New\nYork"), ("NEW  YORK", "new_york"), ("São Paulo", "Sao Paulo"),
        ("Brasília", "Brasi\u0301lia"), ("STRASSE", "Straße"), ("N'Djamena", "N’Djamena"), ("Ｐａｒｉｓ", "paris"),
        ("ﬁsh", "fish"), ("İzmir", "izmir"), ("東京 大学", "東京大学"), ("ΣΟΦΟΣ", "σοφος"), ("U.S.A.", "u s a"),
    ],
)  # fmt: skip
def test_the_same(text: str, other: str) -> None:
    assert words_of(text) == words_of(other) != b" "


@pytest.mark.parametrize(
    ("text", "name", "stands"),
    [
        ("He lives in Nigeria.", "Niger", False), ("in Guinea-Bissau", "Guinea", True), ("room 112", "12", False),
        ("3.12", "12", True), ("我在東京大學", "東京", True), ("हिन्दी", "ह", False), ("Paris's", "paris", True),
        ("a b c", "b c d", False), ("", "a", False), ("C++", "C", True),
    ],
)  # fmt: skip
def test_borders(text: str, name: str, stands: bool) -> None:
    assert (words_of(name) in words_of(text)) is stands


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Nike™ shoes", "nike shoes"), ("Nike®", "nike"), ("№5", "5"), ("20℃ in Ⓐ", "20 in"), ("a≠b", "a b"),
        ("1½", "1 1 2"), ("½ cup", "1 2 cup"), ("①Paris", "1 paris"), ("Paris¹", "paris 1"), ("H₂O", "h 2 o"),
        ("Par\u00adis", "paris"), ("Zü\u00adrich", "zurich"), ("東\u00ad京", "東 京"), ("1\u00ad2", "12"),
        ("\u00ad", ""), ("Łódź", "łodz"), ("Tromsø, Đà", "tromsø đa"), ("Ⅷ ５", "viii 5"),
    ],
)  # fmt: skip
def test_symbols_part_and_fractions_are_words_of_their_own(text: str, found: str) -> None:
    assert words_of(text) == (f" {found} " if found else " ").encode()


@settings(deadline=None)
@given(MIXED)
@example("\u0301a")
@example("e\u0301\u20dd \ud7b0")
@example("K\u030a ℡ 𝐀𝚨")
@example("e\u00ad\u0301™\u0301½\u0338")
def test_runs_give_what_the_whole_text_gives(text: str) -> None:
    assert words_of(text).decode().split(" ")[1:-1] == said(text)


@settings(deadline=None)
@given(st.lists(MIXED))
def test_a_block_is_its_texts(texts: list[str]) -> None:
    assert block_of([loose(text) for text in texts]).split(b"\n") == [words_of(text) for text in texts] or not texts


def test_half_a_character_parts_words() -> None:
    assert words_of("a\ud800b") == b" a b "
