"""How long a generated answer may be, counted by hand."""

from dataclasses import replace

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.room import LEAST, SPARE, cut_off, room

PLAIN = ConventionConfig(template="plain", max_length=4096)
SHORT = Example(id="a", prompt="Who?", answer="Po")
LONG = Example(id="b", prompt="What?", answer="x" * 60, aliases=("y" * 70, "z"))


def test_every_accepted_answer_has_room_with_its_end() -> None:
    encoder = Encoder(byte_tokenizer(merges=()), PLAIN)
    assert room([[SHORT, LONG]], encoder) == 1 + 70 + 1 + SPARE  # a blank, a byte a token, the end
    assert room([[replace(LONG, aliases=())]], encoder) == 1 + 60 + 1 + SPARE
    assert room([[SHORT]], encoder) == room([], encoder) == LEAST


def test_one_number_for_all_sets_in_any_order_and_under_any_end() -> None:
    tokenizer = byte_tokenizer(merges=(), template=CHATML)
    number = room([[LONG], [SHORT]], Encoder(tokenizer, PLAIN))
    assert number == room([[SHORT, LONG]], Encoder(tokenizer, PLAIN))
    assert number == room([[SHORT], [LONG]], Encoder(tokenizer, ConventionConfig(template="plain", end=True)))
    assert number == room([[LONG]], Encoder(tokenizer)) + 1  # a chat template writes no blank


def test_texts_ask_nothing() -> None:
    encoder = Encoder(byte_tokenizer(), PLAIN)
    texts = [replace(LONG, prompt=None), replace(LONG, passage=True)]
    assert room([texts], encoder) == LEAST and not cut_off(texts, encoder, 1)


def test_what_a_number_cuts() -> None:
    """Only an example's own answer counts, and not the token that ends it."""
    encoder = Encoder(byte_tokenizer(merges=()), ConventionConfig(template="plain", end=True))
    assert cut_off([SHORT, LONG], encoder, 60) == "1 of 2 answers are longer than max_new_tokens=60"
    assert not cut_off([SHORT, LONG], encoder, 61)
