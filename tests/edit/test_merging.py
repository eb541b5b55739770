"""Merging: which facts come together, as one text or as one value."""

from expunge.data.example import Example
from expunge.edit.facts import Fact, fact_of
from expunge.edit.merging import merged


def fact(name: str, subject: str, target: str = "no") -> Fact:
    return fact_of(Example(name, f"What of {subject} {name}?", "x", subject=subject), target)


FACTS = [fact("a", "Ann"), fact("b", "Bob"), fact("c", "Ann"), fact("d", "Bob", "never"), fact("e", "Cleo")]


def test_one_is_none() -> None:
    assert merged(FACTS, 1, "text") == FACTS == merged(FACTS, 1, "keys")


def test_one_long_prompt_with_the_last_subject() -> None:
    found = merged(FACTS, 2, "text")
    prompts = [each.example.prompt for each in found]
    # those of one subject first; another target stands apart
    assert prompts == ["What of Ann a? What of Ann c?", "What of Bob b? What of Cleo e?", "What of Bob d?"]
    assert [each.subject for each in found] == ["Ann", "Cleo", "Bob"]
    assert [each.example.id for each in found] == ["a+c", "b+e", "d"]
    assert [each.example.answer for each in found] == ["no", "no", "never"]


def test_one_value_for_several_keys() -> None:
    found = merged(FACTS, 2, "keys")
    assert sorted(each.example.id for each in found) == list("abcde")
    bundles: dict[str, set[str]] = {}
    for each in found:
        bundles.setdefault(each.bundle, set()).add(each.example.id)
    assert sorted(map(sorted, bundles.values())) == [["a", "c"], ["b", "e"], ["d"]]
