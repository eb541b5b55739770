"""From sets to work: what is told of facts that were merged and of retained examples that are left out."""

from pathlib import Path

import pytest

from expunge.config import EditConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.models.attaching import identity_of
from expunge.runs.facts import kept_of, work_of
from fact_work import PLAIN, work
from tiny import tiny_model, tiny_sets


def notes_of(sets: Sets, **options: object) -> list[str]:
    model = tiny_model()
    config = EditConfig(**options)  # type: ignore[arg-type]
    return work_of(model, sets, config, Encoder(model.tokenizer, PLAIN), seed=0).notes


def test_what_is_kept_goes_by_the_configuration_too(tmp_path: Path) -> None:
    """Equal weights that are read with another base of rotation have other keys."""
    one, other = tiny_model(), tiny_model()
    other.network.config.rope_parameters = {"rope_type": "default", "rope_theta": 5000.0}
    assert identity_of(one) == identity_of(other)
    assert work(tmp_path, model=one).weights == work(tmp_path, model=tiny_model()).weights
    assert work(tmp_path, model=one).weights != work(tmp_path, model=other).weights


def test_retained_examples_that_are_left_out_are_told() -> None:
    retain = [Example(f"{i}", "the capital is", "bexton") for i in range(5)]
    assert kept_of(retain, 5, 0)[1] == []
    facts, notes = kept_of(retain, 3, 0)
    assert (len(facts), len(notes)) == (3, 1) and notes[0].startswith("3 of 5 retained examples stand for all")
    facts, notes = kept_of([*retain, Example("d", None, "a text")], 9, 0)
    assert (len(facts), len(notes)) == (5, 1) and notes[0].startswith("1 of 6 retained examples are documents")
    sets = Sets(forget=tiny_sets().forget, retain=(Example("d", None, "a text of some length"),))
    assert any("are documents" in note for note in notes_of(sets))


@pytest.mark.parametrize("by", ["text", "keys"])
def test_how_many_edits_came_of_how_many_facts(by: str) -> None:
    sets = Sets(forget=tiny_sets().forget)
    assert any(note.startswith("4 facts became 2 edits") for note in notes_of(sets, merge_queries=2, merge_by=by))
    assert not any("became" in note for note in notes_of(sets))
