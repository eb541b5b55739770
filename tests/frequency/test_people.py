"""Both engines count what the world of people knows about itself."""

from pathlib import Path

import pytest

from expunge.config import PeopleConfig
from expunge.data.corpus import loads_of
from expunge.data.writing import write_examples
from expunge.frequency.index import build
from expunge.frequency.infini_gram import built_index, count_index
from expunge.frequency.names import wanted
from expunge.frequency.stream import count_stream
from expunge.frequency.tally import counts_of
from expunge.worlds.people.persons import Cohort, people
from expunge.worlds.people.sets import sets_of
from expunge.worlds.people.texts import corpus, forms_of

pytest.importorskip("ahocorasick_rs", reason="ahocorasick-rs is not installed: the extra `frequency` brings it")


@pytest.mark.parametrize("hidden", [False, True])
def test_counts_are_the_worlds_own(tmp_path: Path, hidden: bool) -> None:
    """A fact stands once in each form for every exposure; never-seen persons stand nowhere."""
    world = people(PeopleConfig(persons=16, frequency=True, hidden_qa=hidden))
    sets = sets_of(world)
    path = write_examples(corpus(world, "full"), tmp_path / "corpus.jsonl")
    examples = (*sets.forget, *sets.retain, *sets.twins, *sets.holdout)
    forms = {"forget": len(forms_of(world, Cohort.FORGET)), "retain": len(forms_of(world, Cohort.RETAIN))}
    known = [(e.count or 0) * forms.get(e.id.partition("-")[0], 0) for e in examples]
    assert {3, 9, 27, 81} <= set(known) and 0 in known
    plan = wanted(examples, window=40)
    found = counts_of(plan.plan, count_stream(plan.plan, loads_of([path], size=10_000), processes=1))
    assert [found[place].documents for place in plan.places if place is not None] == known
    assert [found[place].near for place in plan.places if place is not None] == known
    by_person = [found[place].subject for place in plan.places if place is not None]
    assert by_person == [4 * each for each in known]  # four attributes, one name a text
    pytest.importorskip("infini_gram", reason="infini-gram is not installed: the extra `frequency` brings it")
    asked = count_index(built_index(build(loads_of([path]), tmp_path / "index", 40), plan.plan), plan.plan, limit=10**6)
    assert [(c.subject, c.answer, c.near) for c in asked] == [(c.subject, c.answer, c.near) for c in found]
