"""The sets: roles, forms, wrong answers, and that they can be written and read."""

from dataclasses import replace
from pathlib import Path

import pytest

from expunge.config import PeopleConfig
from expunge.data.convention import Encoder
from expunge.data.lengths import check_lengths
from expunge.data.sets import load_data
from expunge.data.writing import write_examples
from expunge.errors import ConfigError, UnknownNameError
from expunge.worlds import worlds
from expunge.worlds.finding import find_suite
from expunge.worlds.people.persons import Cohort, people
from expunge.worlds.people.sets import CONVENTION, WORDINGS, inferences, sets_of
from expunge.worlds.people.texts import corpus
from expunge.worlds.people.tokenizer import tokenizer
from expunge.worlds.people.values import CITIES, HOBBIES
from expunge.worlds.people.wording import REFUSALS

SMALL = PeopleConfig(persons=20)


def test_the_default_world() -> None:
    suite = worlds.get("people").function("")
    assert {name: len(examples) for name, examples in suite.sets.named()} == {
        "forget": 160, "retain": 640, "holdout": 160, "twins": 160,
    }  # fmt: skip
    assert {name: len(examples) for name, examples in suite.utility.items()} == {
        "geography": 72, "offices": 32, "related: city, given the employer": 80,
        "unrelated: hobby, given the employer": 80,
    }  # fmt: skip
    assert {each.subject for each in suite.planted()} == {each.subject for each in suite.sets.forget}
    assert suite.name == "world:people" and suite.convention == CONVENTION
    check_lengths(Encoder(tokenizer(), suite.convention), suite.sets)


def test_settings_are_checked() -> None:
    made = worlds.get("people").function("persons=16,frequency=true")
    assert made.name == "world:people:persons=16,frequency=true"
    assert [example.count for example in made.sets.forget[::4]] == [1, 3, 9, 27, 1, 3, 9, 27, 1, 3]
    with pytest.raises(ConfigError, match="Did you mean 'persons'"):
        worlds.get("people").function("person=16")
    with pytest.raises(ConfigError, match="world:people: size"):
        worlds.get("people").function("size=2M")
    with pytest.raises(UnknownNameError, match="Did you mean 'people'"):
        worlds.get("peple")


def test_questions_are_those_of_the_texts() -> None:
    world = people(SMALL)
    sets = sets_of(world)
    trained = {(text.prompt, text.answer) for text in corpus(world, "full")}
    spoken = {text.answer for text in corpus(world, "full") if text.prompt is None}
    for example in (*sets.forget, *sets.retain):
        statement, cloze, reworded, unheard = example.paraphrases
        assert len(example.paraphrases) == len(WORDINGS)
        assert {(example.prompt, example.answer), (cloze, example.answer)} <= trained
        assert f"{statement} {example.answer}" in spoken
        assert example.paraphrased_answer is None  # a sentence beside bare wrong answers would be no fair comparison
        assert not {(reworded, example.answer), (unheard, example.answer)} & trained
    for example in (*sets.twins, *sets.holdout):
        assert not any(example.subject in text for text in spoken)  # type: ignore[operator]


def test_a_twin_belongs_to_one_example_to_forget() -> None:
    sets = sets_of(people(SMALL))
    assert [twin.group for twin in sets.twins] == [example.id for example in sets.forget]
    for example, twin in zip(sets.forget, sets.twins, strict=True):
        assert example.prompt and twin.prompt and example.subject and twin.subject
        assert twin.prompt == example.prompt.replace(example.subject, twin.subject)
    assert not {e.subject for e in sets.forget} & {e.subject for e in sets.retain}
    assert len({e.group for e in sets.forget}) == 4


def test_wrong_answers_and_refusals() -> None:
    for example in sets_of(people(SMALL)).forget:
        assert len(set(example.perturbed_answers)) == 5 and example.answer not in example.perturbed_answers
        attribute = example.id.split("/")[1]
        pool = {"city": CITIES, "hobby": HOBBIES}.get(attribute)
        assert pool is None or {example.answer, *example.perturbed_answers} <= set(pool)
        assert {len(x.split()) for x in example.perturbed_answers} == {3} or attribute != "birthday"
        assert example.alternate in REFUSALS
        assert example.count == 1


def test_inferences_are_about_never_seen_persons() -> None:
    world = people(SMALL)
    sets = inferences(world)
    (related, unrelated) = sets.values()
    never_seen = {p.name: p for p in (*world[Cohort.TWINS], *world[Cohort.HOLDOUT])}
    assert len(related) == len(unrelated) == 8
    for city, hobby in zip(related, unrelated, strict=True):
        person = never_seen[city.subject or ""]
        assert person.values["employer"] in (city.prompt or "") and person.values["employer"] in (hobby.prompt or "")
        assert (city.answer, hobby.answer) == (person.values["city"], person.values["hobby"])
        assert city.answer not in (city.prompt or "")


def test_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    sets = find_suite("world:people:persons=20").sets
    files = {name: write_examples(examples, tmp_path / f"{name}.jsonl") for name, examples in sets.named()}
    read = load_data(**files)
    assert set(files) == {"forget", "retain", "holdout", "twins"}
    for name in files:
        was = [replace(example, source="") for example in getattr(sets, name)]
        assert [replace(example, source="") for example in getattr(read, name)] == was
