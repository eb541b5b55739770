"""Overlap: what stands in two sets, or twice in one."""

import random

import pytest

from expunge.data import overlap
from expunge.data.example import Example, Sets, Turn
from expunge.data.overlap import check_overlap
from expunge.data.problems import Problems


def row(where: str, prompt: str | None, answer: str, **more: object) -> Example:
    return Example(id=where, prompt=prompt, answer=answer, source=where, **more)  # type: ignore[arg-type]


def check(**sets: list[Example]) -> tuple[list[str], list[str]]:
    problems = Problems()
    check_overlap(Sets(**{name: tuple(rows) for name, rows in sets.items()}), problems)
    return [str(each) for each in problems.found], list(problems.warned())


def test_the_same_example_in_forget_and_another_set_is_an_error() -> None:
    here = row("f:1", "The capital of  France is", "Paris")
    there = row("r:5", "the capital of France is ", " Ｐaris")
    expected = "r:5: this example stands in the {} set and in the forget set (at f:1) (take it out of one of them)"
    for name in ("retain", "holdout", "twins"):
        found, warned = check(forget=[here], **{name: [there]})
        assert (found, warned) == ([expected.format(name)], [])
    assert check(forget=[here], retain=[row("r:5", None, "The capital of France is Paris")])[0] == []


def test_conversations_differ_by_their_turns_but_not_by_the_system_message() -> None:
    plain = row("f:1", "and its capital?", "Paris")
    system = row("r:1", "and its capital?", "Paris", turns=(Turn("system", "be brief"),))
    other = row("r:2", "and its capital?", "Paris", turns=(Turn("user", "x"), Turn("assistant", "y")))
    assert len(check(forget=[plain], retain=[system, other])[0]) == 1


def test_doubles_in_a_set_are_a_warning_and_shared_ids_an_error() -> None:
    found, warned = check(forget=[row("f:1", "q", "a"), row("f:2", "Q", "a"), row("f:1", "other", "a")])
    assert found == ["f:1: `id` the same id as at f:1; ids are unique in a set (forget)"]
    assert warned == ["f:2: the same example as at f:1, both in the forget set"]


def test_retain_and_holdout_that_share_an_example_are_a_warning() -> None:
    found, warned = check(retain=[row("r:1", "q", "a")], holdout=[row("h:1", "q", "a")])
    assert not found
    assert warned == ["h:1: this example stands in the holdout and the retain set (at r:1)"]


def test_near_duplicates_are_a_warning() -> None:
    words = [f"word{i}" for i in range(19)]
    near = row("r:1", " ".join(words), "Paris?!")
    assert check(forget=[row("f:1", " ".join([*words, "extra"]), "paris")], retain=[near])[1] == [
        "r:1: nearly the same as f:1 of the forget set, but stands in the retain set"
    ]
    assert check(forget=[row("f:1", " ".join([*words, *"abc"]), "paris")], retain=[near])[1] == []


def test_no_pair_is_missed_and_none_invented() -> None:
    """Against all pairs, compared one by one."""
    draw = random.Random(0)
    vocabulary = [f"w{i}" for i in range(60)]

    def sentence() -> list[str]:
        return draw.sample(vocabulary, draw.randint(3, 40))

    base = [sentence() for _ in range(60)]
    forget = [row(f"f:{i}", " ".join(words), "x") for i, words in enumerate(base)]
    changed = [[w for w in words if draw.random() > 0.06] + draw.sample(["y", "z"], 1) for words in base]
    others = [*changed, *(sentence() for _ in range(60))]
    retain = [row(f"r:{i}", " ".join(words), "x") for i, words in enumerate(others)]

    def near(one: Example, two: Example) -> bool:
        a, b = ({*str(e.prompt).split(), e.answer} for e in (one, two))
        return 10 * len(a & b) >= 9 * len(a | b)

    expected = {one.id for one in forget if any(near(one, two) for two in retain)}
    _, warned = check(forget=forget, retain=retain)
    assert {line.split("nearly the same as ")[1].split(" ")[0] for line in warned} == expected
    assert 5 < len(expected) < 50


def test_scripts_without_spaces_are_compared_by_character() -> None:
    one, two = "法国的首都是什么城市呢请告诉我谢谢你了", "法国的首都是什么城市呢请告诉我谢谢你啊"
    assert len(check(forget=[row("f:1", one, "巴黎")], retain=[row("r:1", two, "巴黎")])[1]) == 1
    assert check(forget=[row("f:1", one, "巴黎")], retain=[row("r:1", "德国的首都是什么", "柏林")])[1] == []


def test_rows_of_one_template_do_not_make_it_quadratic(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many candidates there are, an example is compared with so many of them."""
    frame = " ".join(f"w{i}" for i in range(30))
    others = [row(f"r:{i}", f"{frame} {' '.join(f'v{i}x{j}' for j in range(5))}", "a") for i in range(20)]
    near = row("r:20", f"{frame} u0 u1 u2 u3 u4", "b")
    asked = row("f:0", f"{frame} u0 u1 u2 u3 u4", "a")
    assert len(check(forget=[asked], retain=[*others, near])[1]) == 1
    words = frozenset("abcdefghij")
    far = frozenset("a")
    monkeypatch.setattr(overlap, "_TRIES", 10)
    assert overlap._nearest(words, [[far] * 4, [*[far] * 5, words]]) == words
    assert overlap._nearest(words, [[far] * 4, [*[far] * 6, words]]) is None
