"""What is measured on a changed model: answer probabilities and greedy answers."""

from dataclasses import replace

import pytest
import torch

from attacked import DOCUMENTS, target
from expunge.attacks.after import measured, probabilities
from expunge.attacks.saying import ask, said
from steps import taught_model, unequal_sets
from tiny import tiny_model


def test_probabilities_are_those_of_plain_transformers() -> None:
    aimed = target()
    for example, value in zip(aimed.examples, probabilities(aimed, aimed.examples), strict=True):
        encoded = aimed.encoder.encode(example)
        ids = torch.tensor([encoded.ids])
        with torch.no_grad():
            logits = aimed.model.network(input_ids=ids, use_cache=False).logits[0, encoded.start - 1 : -1]
        mean = logits.log_softmax(-1).gather(1, ids[0, encoded.start :, None]).mean().item()
        assert value == pytest.approx(torch.tensor(mean).exp().item(), rel=1e-5)


def test_a_model_that_knows_says_it_and_one_that_does_not_does_not() -> None:
    found = {each.part: each for each in measured(target(taught_model()))}
    assert set(found) == {"probability", "said"}
    # one new token: of two, two and four words (ROUGE counts no full stop) it is the first
    assert found["said"].scores == (1.0, 0.5, 0.5, 0.25)
    ignorant = {each.part: each for each in measured(target(tiny_model()))}
    assert max(ignorant["probability"].scores) < min(found["probability"].scores)


def test_rows_and_label() -> None:
    whole = measured(target())
    part = measured(target(), rows=[3, 1], label="4 bit")
    assert [each.part for each in part] == ["4 bit, probability", "4 bit, said"]
    for few, all_ in zip(part, whole, strict=True):
        assert few.rows == (3, 1)
        assert few.scores == pytest.approx([all_.scores[3], all_.scores[1]], rel=1e-5)


def test_documents_are_not_asked() -> None:
    assert [each.part for each in measured(target(examples=DOCUMENTS))] == ["probability"]


def test_an_accepted_answer_or_the_longest_part_of_one() -> None:
    assert said("it is bexton city", ["bexton"]) == 1.0
    assert said("It is in Paris.", ["Paris is the city"]) == 0.25  # of four words "Paris": one in order
    assert said("no idea", ["bexton", "dunmore"]) == 0.0
    assert said("no idea", ["…"]) == 0.0  # ROUGE reads letters only


def test_aliases_count() -> None:
    aimed = target()
    answers = ask(aimed, aimed.examples)
    odd = tuple(replace(e, answer="nowhere", aliases=(text,)) for e, text in zip(aimed.examples, answers, strict=True))
    assert measured(replace(aimed, examples=odd))[1].scores == (1.0,) * len(unequal_sets().forget)
