from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from asking import byte_model
from byte_tokenizer import CHATML
from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.objectives import objectives
from expunge.objectives.alternates import clean, make_alternates, tells
from expunge.objectives.binding import bind
from expunge.train.unlearn import train
from steps import settings
from tiny import tiny_model, tiny_sets


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def bare() -> Sets:
    sets = tiny_sets()
    return replace(sets, forget=tuple(replace(example, alternate=None) for example in sets.forget))


def scripted(monkeypatch: pytest.MonkeyPatch, rounds: list[list[str]]) -> list[int]:
    """The model says these, a list a call; returns how many were asked each time."""
    asked: list[int] = []

    def generate(model: Model, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, **_: Any) -> list[list[int]]:
        asked.append(len(prompts))
        assert all(prompts)
        texts = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in rounds[len(asked) - 1]]
        return [list(ids)[:max_new_tokens] for ids in texts]  # type: ignore[arg-type]

    monkeypatch.setattr("expunge.models.generating.generate_tokens", generate)
    return asked


def test_kept_asked_again_and_borrowed(monkeypatch: pytest.MonkeyPatch):
    sets = bare()
    true = [example.answer for example in sets.forget]
    asked = scripted(
        monkeypatch,
        [["ripon", true[1], "", f"It is {true[3]}."], ["lindum\n\nQuestion: more", "", ""], ["", ""]],
    )
    made = make_alternates(byte_model(), sets, seeded(), ConventionConfig(), tries=3)
    alternates = [example.alternate for example in made.sets.forget]
    assert asked == [4, 3, 2]
    assert alternates[:2] == ["ripon", "lindum"]
    for i in (2, 3):
        assert alternates[i] in true and alternates[i] != true[i]
    assert made.notes == ("2 of 4 alternates are other examples' answers: the model made up none",)
    assert made.sets.retain == sets.retain


def test_a_reply_that_is_cut_off_is_none(monkeypatch: pytest.MonkeyPatch):
    """Unless what is kept of it had come to its end before."""
    rounds = [["a" * 32, "lindum\n\nThis is " + "b" * 32, "c" * 31, "d" * 33], ["farrow or", "dunmore too"]]
    asked = scripted(monkeypatch, rounds)
    made = make_alternates(byte_model(), bare(), seeded(), ConventionConfig())  # room for 32 tokens of a byte
    assert asked == [4, 2]
    assert [each.alternate for each in made.sets.forget] == ["farrow or", "lindum", "c" * 31, "dunmore too"]


def test_it_is_asked_under_the_runs_convention(monkeypatch: pytest.MonkeyPatch):
    prompts: list[str] = []

    def generate(model: Model, asked: Sequence[Sequence[int]], *, encoder: Encoder, **_: Any) -> list[list[int]]:
        assert model.tokenizer.convert_tokens_to_ids("<|im_end|>") in encoder.ends
        prompts.extend(str(model.tokenizer.decode(list(ids))) for ids in asked)
        return [[1, 2, 3] for _ in asked]

    monkeypatch.setattr("expunge.models.generating.generate_tokens", generate)
    convention = ConventionConfig(system_prompt="Be brief.")
    config = settings("altpo", max_steps=1, batch_size=1, retain_loss=None, parameters=("*norm*",))
    train(byte_model(CHATML), bare(), config, convention=convention)
    assert prompts and all(text.startswith("<|im_start|>system\nBe brief.<|im_end|>") for text in prompts)


def test_what_is_given_stays(monkeypatch: pytest.MonkeyPatch):
    asked = scripted(monkeypatch, [])
    sets = tiny_sets()
    made = bind(objectives.get("altpo"), {}).prepare(tiny_model(attention="sdpa"), sets, seeded())
    assert made.sets == sets and not asked and not made.notes


def test_with_a_model():
    bound = bind(objectives.get("altpo"), {"max_new_tokens": 4, "tries": 1})
    runs = [bound.prepare(tiny_model(attention="sdpa"), bare(), seeded()) for _ in range(2)]
    assert runs[0].sets == runs[1].sets
    for example in runs[0].sets.forget:
        assert example.alternate and not tells(example.alternate, example.answer)


def test_documents_and_lonely_examples():
    bound = bind(objectives.get("altpo"), {"max_new_tokens": 1, "tries": 1})
    document = Example(id="text", prompt=None, answer="the capital of arland is bexton")
    with pytest.raises(ConfigError, match="'text' is a document"):
        bound.prepare(tiny_model(attention="sdpa"), Sets(forget=(document,)), seeded())


def test_nothing_to_borrow(monkeypatch: pytest.MonkeyPatch):
    scripted(monkeypatch, [["bexton"]] * 4)
    lonely = Sets(forget=(Example(id="one", prompt="the capital of arland is", answer="bexton"),))
    with pytest.raises(ConfigError, match=r"'one'.*`alternate`"):
        bind(objectives.get("altpo"), {}).prepare(tiny_model(attention="sdpa"), lonely, seeded())


@pytest.mark.parametrize(
    ("alternate", "told"),
    [
        ("Paris", True), ("paris!", True), ("The city of Paris", True), ("", True), ("...", True),
        ("Lyon", False), ("Parisian", False),
    ],
)  # fmt: skip
def test_giving_it_away(alternate: str, told: bool):
    assert tells(alternate, "Paris") == told


def test_most_of_a_long_answer():
    answer = "She was born in Lima in the spring of 1950 to two teachers"
    assert tells("In the spring of 1950 she was born to two teachers in Lima", answer)
    assert tells("born in Lima", answer)  # a part of it
    assert not tells("He came from a farm near Oslo and grew up with his aunt", answer)


def test_cleaning():
    assert clean(' "Lyon."\n') == "Lyon."
    assert clean("Answer: Lyon\nand more\n\nQuestion: x") == "Lyon and more"
    assert clean("Lyon Question: what next?") == "Lyon"
    assert clean("") == ""
    assert clean("Lyon is a", ended=False) == "" and clean("Lyon.\n\nIt is a", ended=False) == "Lyon."
