"""Verbatim and knowledge memory: where texts are cut, what is compared, and which sets have none."""

from dataclasses import replace

import pytest

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.knowledge_memory import cut, knowledge_memory
from expunge.evaluate.measure import measure
from expunge.evaluate.observations import observe
from expunge.evaluate.verbatim_memory import verbatim_memory
from expunge.models.generating import generate
from steps import taught_model, unequal_sets
from tiny import PLACES, tiny_model

NEEDS = {"continuations", "continued"}
WORDS = [*PLACES][:8]
DOCUMENT = Example(id="d", prompt=None, answer=" ".join(WORDS))


@pytest.mark.parametrize(("prefix", "kept"), [(1, 2), (3, 4), (100, 4)])  # a document's first token is its prompt
def test_a_document_is_cut_after_so_many_tokens_or_in_its_middle(prefix: int, kept: int) -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    seen = observe(model, [DOCUMENT], encoder, NEEDS, prefix_tokens=prefix, continued_tokens=3)
    ids = encoder.encode(DOCUMENT).ids
    assert seen.continued == ["".join(WORDS[kept : kept + 3])]  # the tiny tokenizer joins words
    assert seen.continuations == generate(model, [ids[:kept]], encoder=encoder, max_new_tokens=3)
    assert seen.within("all")["continued"] == seen.continued


@pytest.mark.parametrize("end", [True, False])
def test_what_closes_a_text_is_not_part_of_it(end: bool) -> None:
    model = tiny_model()
    seen = observe(model, [DOCUMENT], Encoder(model.tokenizer, ConventionConfig(end=end)), NEEDS, prefix_tokens=1)
    assert seen.continued == ["".join(WORDS[2:])]


def test_a_passage_is_cut_where_it_says_and_known_when_it_was_learnt() -> None:
    model = taught_model()
    passages = [replace(each, passage=True, answer=each.answer.split()[0]) for each in unequal_sets().forget]
    config = EvaluateConfig(metrics=("verbatim_memory",), continued_tokens=1)
    found = measure(model, {"p": passages}, Encoder(model.tokenizer), config)["p"]["verbatim_memory"]
    assert found.per_example == (1.0,) * 4


def test_a_text_is_continued_no_longer_than_it_goes_on() -> None:
    """Else a model that knows a short text by heart would lose by what it says after its end."""
    model = taught_model()
    encoder = Encoder(model.tokenizer)
    for n in (4, 6, 8):
        short = replace(DOCUMENT, answer=" ".join(WORDS[:n]))
        seen = observe(model, [short], encoder, NEEDS, prefix_tokens=1)
        expected = generate(model, [encoder.encode(short).ids[:2]], encoder=encoder, max_new_tokens=n - 2)
        assert seen.continuations == expected


def test_neighbours_and_batches_change_nothing() -> None:
    model = taught_model()
    encoder = Encoder(model.tokenizer)
    documents = [replace(DOCUMENT, id=str(n), answer=" ".join(WORDS[:n])) for n in range(2, 9)]
    together = observe(model, documents, encoder, NEEDS, continued_tokens=4)
    alone = [observe(model, [each], encoder, NEEDS, continued_tokens=4, budget=1) for each in documents]
    assert together.continuations == [each.continuations[0] for each in alone]
    assert together.continued == [each.continued[0] for each in alone]


def test_questions_have_no_verbatim_memory_and_texts_no_knowledge_memory() -> None:
    model = taught_model()
    config = EvaluateConfig(metrics=("verbatim_memory", "knowledge_memory"), max_new_tokens=4, continued_tokens=2)
    sets = {"questions": unequal_sets().forget, "documents": [DOCUMENT]}
    found = measure(model, sets, Encoder(model.tokenizer), config)
    assert (list(found["questions"]), list(found["documents"])) == (["knowledge_memory"], ["verbatim_memory"])
    assert found.notes == [
        "questions: holds questions, which are no texts to go on with, so without verbatim_memory",
        "documents: holds documents, which ask nothing, so without knowledge_memory",
    ]


def test_verbatim_memory_by_hand() -> None:
    found = verbatim_memory(["the sea was calm", "", "walks"], ["the sea was wild then", "all gone", "walked"])
    assert found.per_example == pytest.approx((6 / 9, 0.0, 0.0))  # 3 of 4 and 3 of 5 words
    assert verbatim_memory(["walks"], ["walked"], compat="openunlearning").value == 1.0


@pytest.mark.parametrize(
    ("said", "kept"),
    [("a\n\nb", "a"), ("a\nQuestion b", "a"), ("Question: a", ""), ("a\nb", "a\nb"), ("a Question: b\n\nc", "a ")],
)
def test_an_answer_ends_where_the_next_question_begins(said: str, kept: str) -> None:
    assert cut(said) == kept


def test_knowledge_memory_scores_the_answer_only() -> None:
    chatter = " in rome\n\nQuestion: where is oslo?\nAnswer: in oslo"
    assert knowledge_memory([chatter], [["in rome"]]).value == 1.0
    assert knowledge_memory([chatter], [["in oslo"]]).value == 0.5
