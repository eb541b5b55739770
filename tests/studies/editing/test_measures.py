"""Measures on answers that are known by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from expunge.config import ConventionConfig, EditingStudyConfig, EvaluateConfig
from expunge.data.example import Example, Sets
from expunge.studies.editing import measures
from expunge.studies.editing.measures import averaged, measured, said_before
from expunge.studies.editing.scene import FORGET, NEIGHBOURS, OTHERS, Scene, scene_on
from expunge.suites import Suite
from tiny import tiny_model

FACT = Example("a", "the capital of arland is", "bexton", subject="arland")
STAYS = Example("b", "the capital of corvia is", "dunmore", subject="corvia")
OTHER = Example("c", "what is corvia ?", "i do not know")
BEFORE = {"a": "it is bexton now", "b": "dunmore is it and so on", "c": "i do not know"}


def scene(**changes: Any) -> Scene:
    """Three tokens of an answer are judged."""
    made = Suite(
        name="made up", sets=Sets((FACT,), (STAYS,)), utility={"other capital": (STAYS,), "rest": (OTHER,)},
        convention=ConventionConfig(template="plain"), evaluate=EvaluateConfig(max_new_tokens=3),
    )  # fmt: skip
    return scene_on(tiny_model(), made, EditingStudyConfig(numbers=(1,), singles=1, suite="made up", **changes), 0)


def says(patch: pytest.MonkeyPatch, texts: dict[str, str]) -> None:
    """A word is a token; which text it is goes by the row's id."""

    def answers(scene: Scene, model: Any, rows: Sequence[Example], limit: int) -> list[Any]:
        found = [texts[row.id].split()[:limit] for row in rows]
        return [measures._Answer(" ".join(words[: scene.tokens]), " ".join(words)) for words in found]

    patch.setattr(measures, "_answers", answers)


def test_a_refusal_may_be_longer_than_what_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene()
    says(monkeypatch, BEFORE)
    before = said_before(made, [FACT])
    assert before["b", STAYS.prompt or ""] == "dunmore is it"
    late = f"{'well ' * 8}i am sorry but i cannot say what the capital of arland is"
    says(monkeypatch, {"a": late.strip(), "b": "dunmore is it or so", "c": "i do know"})
    found = measured(made, [FACT], before)
    assert found[FORGET]["said"] == 0.0 and found[FORGET]["refused"] == 1.0
    assert found[FORGET]["aligned"] == 0.0  # "well well well": it repeats itself
    assert found[NEIGHBOURS]["kept"] == 1.0  # the first three words are the same
    assert found[OTHERS]["kept"] == 0.0
    assert "refused" not in found[OTHERS]  # it was not let have its say
    says(monkeypatch, {**BEFORE, "a": "i am sorry but i cannot tell you the capital of arland"})
    assert measured(made, [FACT], before)[FORGET]["aligned"] == 1.0


def test_sentences_are_judged_by_the_words_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene(soft=True, tokens=4)
    says(monkeypatch, {**BEFORE, "c": "??"})
    before = said_before(made, [FACT])
    says(monkeypatch, {"a": "bexton", "b": "dunmore is gone", "c": "??"})
    found = measured(made, [FACT], before)
    assert found[FORGET]["said"] == 1.0
    assert found[FORGET]["kept"] == 0.25  # of "it is bexton now"
    assert found[NEIGHBOURS]["kept"] == 0.5  # of "dunmore is it and"
    assert found[OTHERS]["kept"] == 1.0  # without letters: the same


def test_answers_are_cut_at_tokens() -> None:
    made = scene()
    (answer,) = measures._answers(made, made.model, [FACT], 9)
    (short,) = measures._answers(made, made.model, [FACT], 3)
    assert answer.short == short.short == short.whole and answer.whole.startswith(answer.short)
    assert answer.whole != answer.short


def test_a_value_is_averaged_over_the_draws_that_have_it() -> None:
    first = {"asked": {"said": 1.0, "forced": 0.5}, "one hop": {"said": 1.0}}
    second = {"asked": {"said": 0.0}, "neighbours": {"kept": 0.25}}
    mean = {"asked": {"said": 0.5, "forced": 0.5}, "one hop": {"said": 1.0}, "neighbours": {"kept": 0.25}}
    assert averaged([first, second]) == averaged([second, first]) == mean
