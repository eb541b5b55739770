"""Facts: subjects that are given, found or missing, and the token where each ends."""

import pytest

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit.facts import Row, Rows, fact_of, proper_nouns, subject_of, told
from expunge.errors import ConfigError, DataError
from fact_work import PLAIN
from tiny import tiny_tokenizer


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("The capital of New Zealand is", "New Zealand"),
        ("What is the capital of the United States of America?", "United States of America"),
        ("Who wrote The Master and Margarita?", "Master and Margarita"),
        ("In which city was Ludwig van Beethoven born?", "Ludwig van Beethoven"),
        ("China's capital city is", "China"),
        ("What does O'Brien do?", "O'Brien"),
        ("When was Jaime Vasquez's second book published?", "Jaime Vasquez"),
        ("what is two and two ?", ""),
        ("Who is it?", ""),
    ],
)
def test_the_longest_proper_noun(text: str, longest: str) -> None:
    assert max(proper_nouns(text), key=len, default="") == longest


def test_where_a_subject_comes_from() -> None:
    row = Example("a", "Where was Ada Lovelace born, in London or Paris?", "London")
    assert subject_of(Example("a", row.prompt, "x", subject="London")) == ("London", "given")
    assert subject_of(row) == ("Paris", "found")  # the last one
    # a subject that does not stand in the prompt is looked for like one that is missing
    assert subject_of(Example("a", row.prompt, "x", subject="Byron")) == ("Paris", "found")
    # the longest of those that all wordings share
    told_again = Example("a", row.prompt, "x", paraphrases=("Is Paris where Ada Lovelace was born?",))
    assert subject_of(told_again) == ("Ada Lovelace", "found")
    # shared by all wordings: here Lovelace alone is
    both = Example("a", row.prompt, "x", paraphrases=("The birthplace of Lovelace is",))
    assert subject_of(both) == ("Lovelace", "found")
    assert subject_of(Example("a", "what is it ?", "x")) == ("", "last token")
    facts = [fact_of(each, "no") for each in (row, Example("b", "what is it ?", "x"))]
    assert told(facts) == "subjects: 1 found in the prompt, 1 missing: the last token stands for it"
    assert told([fact_of(Example("a", "The Hague is", "x", subject="The Hague"), "no")]) == ""


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("Question: Where is Rome?", "Rome"),  # the capital of a sentence's first word says nothing
        ("Answer briefly. The country of Rome:", "Rome"),
        ("Answer in one word. Rome is the capital of what?", "Rome"),  # but where there is no other it counts
        ("In Rome, who was Caesar?", "Caesar"),
        ('"Name" the mayor of Rome', "Rome"),
        ("The Beatles played what?", "Beatles"),
    ],
)
def test_the_start_of_a_sentence_counts_only_without_another(prompt: str, subject: str) -> None:
    assert subject_of(Example("a", prompt, "x"))[0] == subject


def test_a_subject_is_words_not_letters() -> None:
    assert subject_of(Example("a", "The capital of Nigeria is", "x", subject="Niger")) == ("Nigeria", "found")
    shared = Example("a", "Is Niger larger than Chad?", "x", paraphrases=("Of Nigeria and Chad, which is larger?",))
    assert subject_of(shared) == ("Chad", "found")
    assert subject_of(Example("a", "法国的首都是", "x", subject="法国")) == ("法国", "given")
    tokenizer = byte_tokenizer()
    fact = fact_of(Example("a", "Is Niger a part of Nigeria?", "x", subject="Niger"), "no")
    (row,) = Rows(Encoder(tokenizer, PLAIN)).of(fact)
    assert last(row, tokenizer).endswith("Is Niger")


def last(row: Row, tokenizer) -> str:
    """The text up to the token that is looked up."""
    return str(tokenizer.decode(list(row.encoded.ids[: row.place + 1])))


@pytest.mark.parametrize("template", [None, CHATML])
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("merges", [(), ("Ġ P", "ĠP a", "a r", "i s", "' s")])
def test_the_token_where_the_subject_ends(template: str | None, bos: bool, merges: tuple[str, ...]) -> None:
    """Whatever the tokenizer merges and the template puts around; genitives, repeated subjects, contexts."""
    tokenizer = byte_tokenizer(merges, bos=bos, template=template)
    rows = Rows(Encoder(tokenizer, ConventionConfig()))
    for prompt, until in (
        ("The mayor of Paris is", "The mayor of Paris"),
        ("Paris's mayor is", "Paris"),
        ("Paris, they say, is what? In Paris the mayor is", "Paris, they say, is what? In Paris"),  # the last mention
        ("I love Paris", "I love Paris"),
    ):
        fact = fact_of(Example("a", prompt, "x", subject="Paris"), "Ann")
        for context, row in zip(("", "Because of Paris. "), rows.of(fact, ("", "Because of Paris. "))):
            assert last(row, tokenizer).endswith(context + until)
            assert row.place < row.encoded.start
            assert str(tokenizer.decode(list(row.encoded.ids[row.encoded.start :]))).strip().startswith("Ann")


def test_without_a_subject_the_last_token_of_the_prompt_is_looked_up() -> None:
    fact = fact_of(Example("a", "what is it ?", "x"), "name")
    (row,) = Rows(Encoder(tiny_tokenizer(), PLAIN)).of(fact)
    assert row.place == row.encoded.start - 1 == 3


def test_a_subject_that_is_the_first_token_is_looked_up_behind_it() -> None:
    """What stands at position 0 is the attention sink of many models, whatever it says."""
    rows = Rows(Encoder(tiny_tokenizer(), PLAIN))
    fact = fact_of(Example("a", "arland is what ?", "x", subject="arland"), "city")
    assert [row.place for row in rows.of(fact, ("", "what city ? "))] == [1, 4]
    assert rows.essence(fact, rows.of(fact)[0]).place == 1
    alone = fact_of(Example("a", "arland", "x", subject="arland"), "city")  # there is no token behind it
    assert [row.place for row in rows.of(alone)] == [0]


@pytest.mark.parametrize("chat", [None, CHATML.replace("assistant\n", "assistant\n ")])
def test_an_empty_target_is_the_end_token_alone(chat: str | None) -> None:
    """No blank before it, which many tokenizers keep as a token of its own."""
    tokenizer = byte_tokenizer(template=chat)
    template = "chat" if chat else "plain"
    rows = Rows(Encoder(tokenizer, ConventionConfig(template=template)))
    (row,) = rows.of(fact_of(Example("a", "the capital of arland is", "x", subject="arland"), "", end=True))
    said = [tokenizer.convert_ids_to_tokens(each) for each in row.encoded.ids[row.encoded.start :]]
    assert said == ["<|im_end|>" if chat else "<eos>"]


def test_an_end_token_where_it_is_asked_for() -> None:
    tokenizer = tiny_tokenizer()
    rows = Rows(Encoder(tokenizer, PLAIN))
    example = Example("a", "the capital of arland is", "x", subject="arland")
    (plain,), (ended,), (empty,) = (
        rows.of(fact_of(example, "i do not know", end=None)), rows.of(fact_of(example, "i do not know", end=True)),
        rows.of(fact_of(example, "", end=True)),
    )  # fmt: skip
    assert ended.encoded.ids == (*plain.encoded.ids, tokenizer.eos_token_id)
    assert empty.encoded.ids[empty.encoded.start :] == (tokenizer.eos_token_id,)
    with pytest.raises(DataError, match="no token"):
        rows.of(fact_of(example, "", end=False))


def test_the_essence_ends_with_the_subject() -> None:
    tokenizer = byte_tokenizer(("Ġ P",), bos=True, template=CHATML)
    rows = Rows(Encoder(tokenizer, ConventionConfig()))
    fact = fact_of(Example("a", "The mayor of Paris is", "x", subject="Paris"), "Ann")
    row = rows.essence(fact, rows.of(fact)[0])
    assert last(row, tokenizer) == "<bos>Paris"
    bare = fact_of(Example("a", "what is it ?", "x"), "name")
    assert rows.essence(bare, rows.of(bare)[0]) == rows.of(bare)[0]


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="document"):
        fact_of(Example("a", None, "a text"), "no")
    with pytest.raises(ConfigError, match="compat"):
        Rows(Encoder(tiny_tokenizer(), ConventionConfig(compat="openunlearning")))
