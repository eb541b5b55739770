"""Contrasts, by hand."""

from dataclasses import replace

import pytest

from expunge.circuits.contrast import contrasts
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from tiny import PLACES, tiny_sets, tiny_tokenizer

COUNTRIES = list(PLACES)


def words(ids: tuple[int, ...]) -> str:
    return " ".join(tiny_tokenizer().convert_ids_to_tokens(list(ids)))


def encoder() -> Encoder:
    return Encoder(tiny_tokenizer())


def test_another_subject_in_the_same_words() -> None:
    found = contrasts(tiny_sets().forget, encoder(), swap="subject")
    assert {each.example for each in found} == set(COUNTRIES[:4])
    for each in found:
        assert words(each.clean) == f"the capital of {each.example} is"
        assert words(each.corrupted) == f"the capital of {each.other} is"
        assert (words((each.right,)), words((each.wrong,))) == (PLACES[each.example], PLACES[each.other])
        assert each.other in COUNTRIES[:4] and each.other != each.example
        encoded = each.encoded("corrupted")
        assert words(encoded.ids) == f"the capital of {each.other} is {PLACES[each.other]}" and encoded.start == 5


def test_the_answers_part_behind_what_they_have_in_common() -> None:
    sets = tiny_sets().forget[:2]
    named = [replace(e, answer=f"the city {e.answer} .") for e in sets]
    for each in contrasts(named, encoder()):
        assert words(each.clean) == f"the capital of {each.example} is the city"
        assert words(each.corrupted) == f"the capital of {each.other} is the city"
        assert words((each.right,)) == PLACES[each.example]


def test_another_wording_of_the_other_counts_and_other_sets_are_asked_last() -> None:
    sets = tiny_sets()
    first = replace(sets.forget[0], prompt=f"what is the capital of {COUNTRIES[0]} ?", paraphrases=())
    (found,) = contrasts([first], encoder(), among=sets.retain, swap="subject")
    assert found.other in COUNTRIES[4:8] and words(found.corrupted) == f"what is the capital of {found.other} ?"
    own = contrasts([first, sets.forget[1]], encoder(), among=sets.retain, swap="subject", pairs=9)
    assert {each.example: each.other for each in own}[COUNTRIES[0]] == COUNTRIES[1]


def test_without_subjects_another_question_of_as_many_tokens() -> None:
    rows = [
        Example("one", "what is the capital ?", "bexton"), Example("two", "what is the name ?", "dunmore"),
        Example("three", "what is ?", "farrow"), Example("four", "what is the city ?", "bexton"),
    ]  # fmt: skip
    found = {each.example: each for each in contrasts(rows, encoder())}
    assert set(found) == {"one", "two", "four"} and found["one"].other == "two"
    assert found["two"].other in ("one", "four") and words(found["one"].corrupted) == "what is the name ?"
    with pytest.raises(ConfigError, match="another subject in the same words"):
        contrasts(rows, encoder(), swap="subject")


def test_what_makes_no_contrast() -> None:
    """As long a subject is needed, another answer, and one that does not merely go on."""
    one, two = tiny_sets().forget[:2]
    long = replace(two, subject=f"{two.subject} city", prompt=f"the capital of {two.subject} city is", paraphrases=())
    for other in (long, replace(two, answer=one.answer), replace(two, answer=f"{one.answer} city")):
        with pytest.raises(ConfigError, match="no contrast could be made of 2"):
            contrasts([one, other], encoder(), swap="subject")
    with pytest.raises(ConfigError, match="no contrast"):
        contrasts([Example("text", None, "the capital of arland is bexton")], encoder())


def test_the_seed_draws() -> None:
    sets = tiny_sets()
    every = [*sets.forget, *sets.retain]
    one, same, other = (contrasts(every, encoder(), pairs=3, seed=seed) for seed in (0, 0, 1))
    assert one == same and one != other and len(one) == 3
