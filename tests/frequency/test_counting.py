"""Counts against a naive scan, on corpora that are made up."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.data.corpus import loads_of
from expunge.data.example import Example
from expunge.frequency import searching
from expunge.frequency.names import wanted
from expunge.frequency.stream import count_stream
from expunge.frequency.tally import Counts, counts_of
from frequency.naive import all_names, counts

pytest.importorskip("ahocorasick_rs", reason="ahocorasick-rs is not installed: the extra `frequency` brings it")

# words that overlap, hold one another, differ in case and marks, and name several things
WORDS = [
    "a",
    "A",
    "b",
    "New",
    "new",
    "York",
    "new york",
    "City",
    "São",
    "sao",
    "東",
    "東京",
    "x-y",
    "x",
    "y",
    "it’s",
    "Å",
]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
TEXTS = st.lists(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", ", ", ".\n", "-", "  "])), max_size=12)
)
FACTS = st.lists(st.tuples(NAMES, NAMES, st.lists(NAMES, max_size=2)), min_size=1, max_size=6)
ALIASES = st.dictionaries(st.sampled_from([*WORDS, "-"]), st.lists(NAMES | st.just("?"), max_size=2), max_size=4)


def examples(facts: list[tuple[str, str, list[str]]]) -> list[Example]:
    return [
        Example(id=str(i), prompt="?", answer=answer, subject=subject, aliases=tuple(aliases))
        for i, (subject, answer, aliases) in enumerate(facts)
    ]


def naive(texts: list[str], facts: list[Example], aliases: dict[str, list[str]], window: int) -> list[Counts]:
    found = []
    for fact in facts:
        assert fact.subject is not None
        subject, answer = (all_names(side, aliases) for side in ([fact.subject], [fact.answer, *fact.aliases]))
        found.append(Counts(*counts(texts, subject, answer, window)))
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(TEXTS, FACTS, ALIASES, st.integers(1, 6), st.integers(20, 200), st.booleans())
def test_equal_a_naive_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list, facts: list, aliases: dict, window: int, size: int,
    apart: bool,
) -> None:  # fmt: skip
    """However the file is cut into pieces, and a piece into blocks."""
    monkeypatch.setattr(searching, "_BLOCK", 1 if apart else 1 << 18)
    said = ["".join(f"{word}{after}" for word, after in each) for each in texts]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in said))
    plan = wanted(examples(facts), aliases, window)
    found = counts_of(plan.plan, count_stream(plan.plan, loads_of([path], size=size), processes=1))
    got = [found[place] for place in plan.places if place is not None]
    assert got == naive(said, examples(facts), aliases, window)


def test_by_hand() -> None:
    text = "Ada Stone lives in Paris. ADA STONE! Paris-based, says ada  stone. Adastone. Stone Paris"
    plan = wanted([Example("1", "?", "Paris", subject="Ada Stone")], window=3)
    (found,) = counts_of(plan.plan, searching.Search(plan.plan).tally([text, "Ada Stone", None, "Paris Ada Stone"]))
    # words: ada 0 stone 1 … paris 4 ada 5 stone 6 paris 7 based 8 says 9 ada 10 stone 11 adastone 12 stone 13 paris 14
    assert found == Counts(subject=5, answer=4, documents=2, near=3)  # the answer is rarer; 14 is too far from 10


def test_aliases_and_forms_that_hold_one_another() -> None:
    aliases = {"united states": ["USA", "United States of America"], "Rome": ["Roma"]}
    facts = [Example("1", "?", "Rome", aliases=("the eternal city",), subject="The United States")]
    facts.append(Example("2", "?", "Roma", subject="United States"))
    texts = ["The United States of America", "USA, Rome", "united states: Roma and the Eternal City"]
    plan = wanted(facts, aliases)
    found = counts_of(plan.plan, searching.Search(plan.plan).tally(texts))
    assert [found[place] for place in plan.places if place is not None] == [
        Counts(subject=1, answer=3, documents=0), Counts(subject=3, answer=2, documents=2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["United States", "USA", "u.s.", "America", "Uncle Sam"])
def test_whichever_name_a_fact_has_it_has_one_count(name: str) -> None:
    """Entries that share a name are of one thing; names without a word tie nothing together."""
    aliases = {"US": ["!"], "united states": ["USA", "U.S."], "Uncle Sam": ["America"], "usa": ["Uncle Sam"]}
    aliases |= {"Mexico": ["?"], "Canada": ["..."]}
    plan = wanted([Example("1", "?", "Rome", subject=name), Example("2", "?", "Rome", subject="Canada")], aliases)
    texts = [
        "United States, Rome",
        "USA: Rome",
        "U.S. in Rome",
        "America, Rome",
        "Uncle Sam: Rome",
        "US, Rome",
        "Canada",
    ]
    found = counts_of(plan.plan, searching.Search(plan.plan).tally([*texts, "Mexico"]))
    assert [(each.subject, each.documents) for each in found] == [(5, 5), (1, 0)]
    assert "America" in plan.also(["usa"]) and not plan.also(["?"])


def test_a_pair_that_many_have_is_counted_once() -> None:
    several = [Example(str(i), "?", answer, subject="Bo") for i, answer in enumerate(("Rome", "rome", "Oslo"))]
    plan = wanted([*several, Example("3", "?", "Rome"), Example("4", None, "Rome", subject="Bo")])
    assert plan.places == (0, 0, 1, None, None)
    assert len(plan.plan.names) == 3
    assert plan.within == 0
    assert wanted([Example("1", "?", "New York", subject="New York City")]).within == 1


def test_an_answer_that_is_the_subject() -> None:
    plan = wanted([Example("1", "?", "Bo", subject="bo")], window=1)
    (found,) = counts_of(plan.plan, searching.Search(plan.plan).tally(["Bo and Bo", "x"]))
    assert found == Counts(subject=2, answer=2, documents=1, near=2)
