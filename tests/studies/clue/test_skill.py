"""Lists that repeat: what they look like, that none is known before, and that a model of the world learns them."""

import json
from pathlib import Path

import pytest

from expunge.config import ClueStudyConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.studies.clue import skill
from expunge.studies.clue.preparing import exact, model
from expunge.studies.clue.scene import FORGET, SKILL, scene_of
from expunge.worlds.people.tokenizer import tokenizer
from tiny import tiny_tokenizer

WORDS = [f"word{i}" for i in range(40)]


def test_a_list_repeats_and_the_next_word_is_the_answer() -> None:
    """A B C D E F G H A B C D → E, of eight different words."""
    for each in skill.asked(WORDS, 20, seed=3):
        assert each.prompt is not None
        words = each.prompt.split()
        assert words[:4] == words[8:] and len(set(words[:8])) == 8 and len(words) == 12
        assert each.answer == words[4]
    for each in skill.taught(WORDS, 5, seed=3):
        assert each.prompt == each.answer and len(each.answer.split()) == 8


def test_lists_are_drawn_anew() -> None:
    asked = skill.asked(WORDS, 30, seed=0)
    assert asked == skill.asked(WORDS, 30, seed=0)
    heads = lambda rows: {tuple(row.prompt.split()[:8]) for row in rows}
    assert len(heads(asked)) == 30
    assert not heads(asked) & (heads(skill.asked(WORDS, 30, seed=1)) | heads(skill.taught(WORDS, 30, seed=0)))


def test_words_are_single_tokens_of_the_same_place_everywhere() -> None:
    words, encoder = skill.words_of(tokenizer()), Encoder(tokenizer())
    assert len(words) == len(set(words)) > 100 and words == sorted(words)
    rows = skill.asked(words, 20, seed=0)
    assert {(len(each.ids), each.start) for each in encoder.encode_all(rows)} == {(13, 12)}


def test_a_tokenizer_without_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    small = skill.words_of(tiny_tokenizer())
    assert "the" in small and "is" not in small  # three letters at least
    monkeypatch.setattr(skill, "LENGTH", len(small))
    with pytest.raises(ConfigError, match="skill: false"):
        skill.words_of(tiny_tokenizer())


def test_the_models_are_taught_it(tmp_path: Path) -> None:
    """On the smallest world, in a few steps: lists are likelier after it, and the change is what a scene applies."""
    study = ClueStudyConfig.model_validate({
        "suite": "world:people:persons=8,forget=0.5,size=tiny,epochs=1", "rows": 8,
        "teach": {"learning_rate": 3e-3, "max_steps": 8, "batch_size": 16},
    })  # fmt: skip
    model(tmp_path, config=study.model_dump(mode="json"), seed=0)
    found = json.loads((tmp_path / "result.json").read_text())
    assert set(found["before"]) == set(found["after"]) == {SKILL, "forget", "retain"}
    assert not (tmp_path / "teaching").exists()
    taught, plain = scene_of(study, 0, str(tmp_path)), scene_of(study, 0)
    assert len(taught.groups[SKILL]) == 8 == len(taught.kinds[SKILL])
    assert not {e.id for e in taught.groups[SKILL]} & {e.id for e in taught.kinds[SKILL]}
    assert taught.level(taught.groups[SKILL]) > plain.level(plain.groups[SKILL])
    assert found["after"]["forget"] == exact(taught.model, taught.sets.forget, taught.encoder)
    without = scene_of(study.model_copy(update={"skill": False}), 0)
    assert SKILL not in without.groups and SKILL not in without.kinds and FORGET in without.groups
