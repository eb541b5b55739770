"""Solved examples: whose they are, and how they stand before the question."""

from dataclasses import replace

import pytest

from asking import FACTS, asked, found, target_of
from expunge.attacks.few_shot import solved
from expunge.data.example import Example, Sets, Turn

KEPT = tuple(Example(id=f"k{i}", prompt=f"Where is N{i}?", answer=f"in P{i}", group=f"g{i}") for i in range(8))
SETS = Sets(retain=KEPT)


def test_lines() -> None:
    target = target_of(sets=SETS)
    for text, example in zip(asked("few_shot", target, shots=2), FACTS, strict=True):
        *shown, question = text.split("\n")
        assert question == example.prompt
        assert shown == [f"{e.prompt} {e.answer}" for e in solved(target, example, 2)]


def test_turns() -> None:
    system = replace(FACTS[0], turns=(Turn("system", "Be brief."), Turn("user", "Hello"), Turn("assistant", "Hi")))
    target = target_of((system,), chat=True, sets=SETS)
    (text,) = asked("few_shot", target, shots=1)
    (shot,) = solved(target, system, 1)
    roles = [part.partition("\n")[0] for part in text.split("<|im_start|>")[1:]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
    assert f"user\n{shot.prompt}<|im_end|>\n<|im_start|>assistant\n{shot.answer}<|im_end|>" in text


def test_the_reply_ends_with_its_line() -> None:
    reply = lambda _: " \n no\nBram Lunt lives in Wexford"
    assert found("few_shot", target_of(sets=SETS), reply)[0].scores == (0.0, 0.0, 0.0)
    assert found("few_shot", target_of(sets=SETS, chat=True), reply)[0].scores[1] == 1.0


def test_nothing_of_what_must_go_is_told() -> None:
    tells = (
        replace(KEPT[0], answer="She lives in Wexford."),
        replace(KEPT[1], group="bram"),
        replace(KEPT[2], subject="Bram Lunt"),
        replace(KEPT[3], prompt=None),
    )
    target = target_of(sets=Sets(retain=(*tells, *KEPT[4:6])))
    assert {e.id for e in solved(target, FACTS[1], 9)} == {"k4", "k5"}


def test_drawn_by_the_seed_for_each_example() -> None:
    chosen = lambda seed, e: tuple(s.id for s in solved(target_of(seed=seed, sets=SETS), e, 3))
    assert chosen(0, FACTS[0]) == chosen(0, FACTS[0])
    assert len({chosen(seed, e) for seed in range(5) for e in FACTS}) > 5


def test_documents_show_nothing() -> None:
    target = target_of(sets=Sets(retain=(replace(KEPT[0], prompt=None),)))
    assert found("few_shot", target) == []


@pytest.mark.parametrize("shots", [1, 3, 20])
def test_as_many_as_there_are(shots: int) -> None:
    assert len(solved(target_of(sets=SETS), FACTS[0], shots)) == min(shots, len(KEPT))
