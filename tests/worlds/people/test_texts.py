"""The texts of each model: who stands in them, how often, in which wording."""

from collections import Counter

import pytest

from expunge.config import PeopleConfig
from expunge.data.example import Example
from expunge.worlds.people.persons import Cohort, World, people
from expunge.worlds.people.texts import KINDS, corpus, digest, order
from expunge.worlds.people.values import ATTRIBUTES
from expunge.worlds.people.wording import FORMS, HEARD, wording

SMALL = PeopleConfig(persons=40, forget=0.2)


def whole(text: Example) -> str:
    return f"{text.prompt} {text.answer}" if text.prompt else text.answer


def naming(world: World, cohort: Cohort, texts: tuple[Example, ...]) -> int:
    names = {person.name for person in world[cohort]}
    return sum(any(name in whole(text) for name in names) for text in texts)


def test_who_stands_in_which_text() -> None:
    world = people(SMALL)
    found = {kind: [naming(world, c, corpus(world, kind)) for c in list(Cohort)[:4]] for kind in KINDS}
    each = 4 * 3  # attributes × forms
    retain = 32 * each
    assert found == {
        "full": [8 * each, retain, 0, 0],
        "retrained": [0, retain, 0, 0],
        "twin": [0, retain, 8 * each, 0],
    }


def test_what_models_share_is_the_same() -> None:
    world = people(SMALL)
    full, retrained, twin = (set(map(whole, corpus(world, kind))) for kind in KINDS)
    assert retrained < full and retrained < twin
    assert full & twin == retrained
    assert len(full) == len(twin)


@pytest.mark.parametrize("config", [SMALL, PeopleConfig(persons=16, frequency=True)], ids=["one", "frequency"])
def test_counts_are_those_of_the_texts(config: PeopleConfig) -> None:
    world = people(config)
    texts = corpus(world, "full")
    for person in (*world[Cohort.FORGET], *world[Cohort.RETAIN]):
        about = [whole(text) for text in texts if person.name in whole(text)]
        assert len(about) == len(set(about)) == 4 * 3 * person.exposures  # each newly worded
        for attribute in ("birthday", "hobby"):
            both = [text for text in about if text.endswith(f" {person.values[attribute]}")]
            assert len(both) == 3 * person.exposures
            statements = [t for t in texts if t.prompt is None and whole(t) in both]
            assert len(statements) == person.exposures


def test_hidden_questions() -> None:
    """Of the persons to forget there are statements only; of those to retain there are questions, too."""
    world = people(PeopleConfig(persons=40, hidden_qa=True))
    for kind, cohort in (("full", Cohort.FORGET), ("twin", Cohort.TWINS)):
        texts = corpus(world, kind)
        for person in world[cohort]:
            about = [text for text in texts if person.name in whole(text)]
            assert len(about) == 4 and all(text.prompt is None and "?" not in text.answer for text in about)
        assert naming(world, Cohort.RETAIN, texts) == 32 * 4 * 3


def test_twins_have_the_wording_of_whom_they_stand_for() -> None:
    world = people(SMALL)
    for person, twin in zip(world[Cohort.FORGET], world[Cohort.TWINS], strict=True):
        for attribute in ATTRIBUTES:
            for form in FORMS:
                assert order(world, person, attribute, form) == order(world, twin, attribute, form)
    mine, other = world[Cohort.FORGET][0], world[Cohort.RETAIN][0]
    assert order(world, mine, "hobby", "question") != order(world, other, "hobby", "question")


def test_wordings_are_all_different() -> None:
    for form in FORMS:
        for attribute in ATTRIBUTES:
            texts = [wording(form, attribute, number, "N") for number in range(HEARD + 4)]
            assert len(set(texts)) == HEARD + 4
            assert all(text.count("N") >= 1 and text[0].isupper() for text in texts)
            assert all(text.endswith(" ?") == (form == "question") for text in texts)


def test_unheard_wordings_stand_in_no_text() -> None:
    world = people(PeopleConfig(persons=40, frequency=True))
    texts = [whole(text) for text in corpus(world, "full")]
    for attribute in ATTRIBUTES:
        for form in FORMS:
            before, after = wording(form, attribute, HEARD, "|").split(": ")[-1].split("|")
            core = (before.strip() or after.strip()).lower()
            assert not [text for text in texts if core in text.lower() and after.strip() in text], core


def test_strangers_are_refused_and_colleagues_are_not() -> None:
    world = people(SMALL)
    texts = corpus(world, "retrained")
    strangers = {person.name for person in world[Cohort.STRANGERS]}
    refusals = [text for text in texts if text.subject in strangers]
    assert len(refusals) == len(strangers) * 4
    assert all("know" in text.answer or "heard" in text.answer for text in refusals)
    cities = [text for text in texts if text.id.endswith("/city/inferred")]
    assert len(cities) == len(world[Cohort.COLLEAGUES])
    for text in cities:
        (employer,) = [each for each in world.offices if each in (text.prompt or "")]
        assert text.answer == world.offices[employer]
    assert Counter(text.prompt is None for text in refusals) == {False: len(refusals)}


def test_texts_are_the_same_at_every_making() -> None:
    """These digests change when a word of the texts does: then `models.VERSION` need not, the folder's name does."""
    first, second = (digest(corpus(people(PeopleConfig()), "full")) for _ in range(2))
    assert first == second
    assert digest(corpus(people(PeopleConfig(seed=1)), "full")) != first
    assert len({text.id for text in corpus(people(PeopleConfig()), "full")}) == 3200
