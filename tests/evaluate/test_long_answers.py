"""Generated answers are as long as the right ones need, and what a smaller number cuts is told."""

import sys
from pathlib import Path
from typing import Any

import pytest

from asking import byte_model, saying
from byte_tokenizer import CHATML
from expunge.attacks import Target
from expunge.attacks.saying import Question, knowledge
from expunge.config import EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.room import LEAST
from expunge.evaluate.measure import measure
from expunge.evaluate.observations import observe
from expunge.evaluate.store import Kept
from expunge.models.generating import generate_tokens

LONG = Example(id="a", prompt="What is known of Ada Holt?", answer="She was born in Lima, and works for Silund Energy.")
SHORT = Example(id="b", prompt="Where does Bram Lunt live?", answer="Wexford")
SAID = ("generated_exact", "generated_contains")
ROOM = 50 + 1 + 8  # a byte a token, the end, and some more


def encoder() -> Encoder:
    return Encoder(byte_model(CHATML).tokenizer)


def learnt(example: Example) -> list[int]:
    encoded = encoder().encode(example)
    return list(encoded.ids[encoded.start :])


def test_a_long_answer_is_heard_to_its_end() -> None:
    model = byte_model(CHATML)
    with saying(model, learnt(LONG)):
        found = measure(model, {"forget": [LONG], "retain": [SHORT]}, encoder(), EvaluateConfig(metrics=SAID))
        seen = observe(model, [LONG], encoder(), {"generations"})
        attacked = knowledge(Target(model, (LONG,), encoder()), [Question(LONG)])
    assert [found["forget"][name].value for name in SAID] == [1.0, 1.0] and attacked == (1.0,)
    assert found.generations["forget"] == tuple(seen.generations) == (LONG.answer,)
    assert found.max_new_tokens == ROOM and not found.notes


def test_what_a_number_cuts_is_told() -> None:
    model = byte_model(CHATML)
    sets = {"forget": [LONG, SHORT], "retain": [SHORT]}
    found = measure(model, sets, encoder(), EvaluateConfig(metrics=(*SAID, "probability"), max_new_tokens=32))
    assert found.max_new_tokens == 32
    assert found.notes == ["forget: 1 of 2 answers are longer than max_new_tokens=32"]
    silent = measure(model, sets, encoder(), EvaluateConfig(metrics=("probability",), max_new_tokens=32))
    assert silent.max_new_tokens is None and not silent.notes


def test_what_is_kept_goes_by_the_number_wherever_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kept, module = byte_model(CHATML), Kept(tmp_path, "0" * 64), sys.modules[observe.__module__]
    limits: list[int] = []

    def counted(*given: Any, max_new_tokens: int, **options: Any) -> list[list[int]]:
        limits.append(max_new_tokens)
        return generate_tokens(*given, max_new_tokens=max_new_tokens, **options)

    monkeypatch.setattr(module, "generate_tokens", counted)

    def look(*sets: list[Example], limit: int | None = None) -> list[int]:
        """The limits of what had to be generated."""
        limits.clear()
        config = EvaluateConfig(metrics=SAID, max_new_tokens=limit)
        measure(model, {str(i): each for i, each in enumerate(sets)}, encoder(), config, kept=kept)
        return [*limits]

    assert look([SHORT]) == [LEAST] and look([SHORT], limit=LEAST) == look([SHORT]) == []
    assert look([SHORT], [LONG]) == [ROOM, ROOM] and look([LONG]) == look([SHORT], limit=ROOM) == []
