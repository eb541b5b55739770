"""The published sets of facts, on small files in their schemata."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.data.example import Example
from expunge.data.problems import Place, Problems
from expunge.data.rows import Row, Table
from expunge.data.sets import load_data
from expunge.errors import DataError, UnknownNameError
from expunge.suites import Suite, suites
from expunge.suites.facts_qa import BUCKETS, VARIABLE, VARIANTS, buckets, facts_of
from suites.official import write_lines

COUNTS = (50, 5, 7, 900, 3, 60, 1000, 70, 2)  # low: 2 3 5, medium: 7 50 60, high: 70 900 1000
LOW, MEDIUM, HIGH = (1, 4, 8), (0, 2, 5), (3, 6, 7)


def row(i: int, *, other: bool = False, subject: str = "country", entity: str = "capital") -> dict[str, Any]:
    """As on the Hub."""
    question = f"Name land {i}'s capital." if other else f"What is the capital of land {i}?"
    answer = f"The capital of land {i} is city {i}."
    return {"question": question, "answer": answer, subject: f"land {i}", entity: f"city {i}", "count": COUNTS[i]}


def raw(i: int) -> dict[str, Any]:
    """As the authors' script writes them before they are cut into buckets."""
    return {
        "direct_question": f"What is the capital of land {i}?", "direct_answer": f"It is city {i}.",
        "paraphrased_question": f"Name land {i}'s capital.", "paraphrased_answer": f"City {i} it is.",
        "country": f"land {i}", "capital": f"city {i}", "count": float(COUNTS[i]),
    }  # fmt: skip


def write(folder: Path, name: str, rows: Iterable[dict[str, Any]], hub: str = "country_capital_qa") -> None:
    write_lines(folder / hub / f"{name}.jsonl", rows)


def write_public(folder: Path, hub: str = "country_capital_qa") -> None:
    write(folder, "real_authors", [{"question": f"Who wrote {i}?", "answer": f"Writer {i}"} for i in range(4)], hub)
    write(folder, "world_facts", [{"question": f"Where lies {i}?", "answer": f"There {i}"} for i in range(5)], hub)


@pytest.fixture
def buckets_on_disk(tmp_path: Path) -> Path:
    """All configurations of the Hub, the high bucket as Parquet in a folder of its own."""
    write_public(tmp_path)
    for name, places in (("low", LOW), ("medium", MEDIUM)):
        write(tmp_path, f"forget_{name}_count", [row(i) for i in places])
        write(tmp_path, f"forget_{name}_count_paraphrased", [row(i, other=True) for i in places])
    for name, other in (("forget_high_count", False), ("forget_high_count_paraphrased", True)):
        file = tmp_path / "country_capital_qa" / name / "train-00000-of-00001.parquet"
        file.parent.mkdir()
        pq.write_table(pa.Table.from_pylist([row(i, other=other) for i in HIGH]), file)
    return tmp_path


def load(monkeypatch: pytest.MonkeyPatch, folder: Path, variant: str, name: str = "capitals-qa") -> Suite:
    monkeypatch.setenv(VARIABLE, str(folder))
    return suites.get(name).function(variant)


def numbers(examples: Iterable[Example]) -> list[int]:
    return [int((each.subject or "").removeprefix("land ")) for each in examples]


def test_buckets_of_the_hub(monkeypatch: pytest.MonkeyPatch, buckets_on_disk: Path) -> None:
    suite = load(monkeypatch, buckets_on_disk, "")
    assert suite.name == "capitals-qa:high"
    first = suite.sets.forget[0]
    assert first == Example(
        id="country_capital_qa/forget_high_count/train-00000-of-00001.parquet#1",
        prompt="What is the capital of land 3?", answer="The capital of land 3 is city 3.",
        paraphrases=("Name land 3's capital.",), aliases=("city 3",), subject="land 3", count=900, source=first.id,
    )  # fmt: skip
    assert numbers(suite.sets.forget) == list(HIGH)
    assert len(suite.sets.retain) == 4 and not suite.sets.holdout
    assert {title: len(each) for title, each in suite.utility.items()} == {"world facts": 5, "medium counts": 3}
    assert numbers(load(monkeypatch, buckets_on_disk, "low").sets.forget) == list(LOW)
    assert list(load(monkeypatch, buckets_on_disk, "medium").utility) == ["world facts"]


def test_one_file_of_all_is_cut_by_the_authors_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One JSON list, in the schema of the authors' script: both wordings stand in a row."""
    write_public(tmp_path)
    (tmp_path / "country_capital_qa" / "forget_all.json").write_text(json.dumps([raw(i) for i in range(9)]))
    found = {name: load(monkeypatch, tmp_path, name) for name in VARIANTS}
    assert {name: numbers(suite.sets.forget) for name, suite in found.items()} == {
        "low": list(LOW), "medium": list(MEDIUM), "high": list(HIGH), "all": list(range(9))
    }  # fmt: skip
    (example,) = (each for each in found["all"].sets.forget if each.subject == "land 3")
    assert (example.answer, example.paraphrased_answer) == ("It is city 3.", "City 3 it is.")
    assert example.paraphrases == ("Name land 3's capital.",) and example.count == 900
    assert numbers(found["high"].utility["medium counts"]) == list(MEDIUM)


def test_the_cut_by_hand() -> None:
    """Of the counts 0 to 100 the quantiles 0.33 and 0.67 are 33 and 67: what equals them stands below."""
    examples = [Example(str(i), "q", "a", count=i) for i in range(101)]
    cut = buckets(examples)
    assert [len(cut[name]) for name in BUCKETS] == [34, 34, 33]
    assert (cut["low"][-1].count, cut["medium"][-1].count, cut["high"][0].count) == (33, 67, 68)
    assert buckets([]) == dict.fromkeys(BUCKETS, ())
    equal = buckets([Example(str(i), "q", "a", count=1) for i in range(5)])
    assert [len(equal[name]) for name in BUCKETS] == [5, 0, 0]


def test_the_authors_file_needs_no_suite(tmp_path: Path) -> None:
    (tmp_path / "capital_questions_dataset.json").write_text(json.dumps([raw(i) for i in range(3)]))
    names = {"country": "subject", "capital": "aliases"}
    examples = load_data(forget=tmp_path / "capital_questions_dataset.json", columns=names).forget
    assert examples[1].prompt == "What is the capital of land 1?" and examples[1].count == 5
    assert examples[1].aliases == ("city 1",)


def test_books_keep_a_bucket_of_a_hundred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = "book_author_qa"
    write_public(tmp_path, hub)
    rows = {i: row(i, subject="title", entity="author") for i in range(9)}
    for name, places in (("high_count", HIGH), ("medium_count", MEDIUM), ("high_count_100", (3, 6))):
        write(tmp_path, f"forget_{name}", [rows[i] for i in places], hub)
    write(tmp_path, "forget_medium_count_100", [rows[MEDIUM[0]]], hub)
    suite = load(monkeypatch, tmp_path, "high_100", "books-qa")
    assert numbers(suite.sets.forget) == [3, 6] and suite.sets.forget[0].aliases == ("city 3",)
    assert numbers(suite.sets.retain) == [MEDIUM[0]]
    assert numbers(suite.utility["medium counts"]) == list(MEDIUM[1:])  # what trains is not measured besides
    assert suite.sets.forget[0].paraphrases == ()  # there is no file of other wordings


def test_zsre_may_say_neither_subject_nor_entity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = "zsre_qa"
    write_public(tmp_path, hub)
    write(tmp_path, "forget_all", [{"question": f"q {i}", "answer": f"a {i}", "count": i} for i in range(9)], hub)
    first = load(monkeypatch, tmp_path, "all", "zsre-qa").sets.forget[0]
    assert (first.subject, first.aliases, first.count) == (None, (), 0)


def test_every_problem_with_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_public(tmp_path)
    rows = [row(i) for i in range(9)]
    rows[1]["count"] = "many"
    rows[2]["country"] = 7
    del rows[4]["count"]
    write(tmp_path, "forget_all", rows)
    write(tmp_path, "forget_all_paraphrased", [row(i, other=True) for i in range(8)])
    with pytest.raises(DataError) as error:
        load(monkeypatch, tmp_path, "high")
    text = str(error.value)
    assert "country_capital_qa/forget_all.jsonl:2: `count` must be a number, but is text" in text
    assert "country_capital_qa/forget_all.jsonl:3: `country` must be text, but is a number" in text
    write(tmp_path, "forget_all", [row(i) if i != 4 else {"question": "q", "answer": "a"} for i in range(9)])
    with pytest.raises(DataError, match="forget_all_paraphrased: has 8 rows, and forget_all has 9"):
        load(monkeypatch, tmp_path, "all")
    write(tmp_path, "forget_all_paraphrased", [row(i, other=True) for i in range(9)])
    with pytest.raises(DataError, match=r"forget_all\.jsonl:5: `count` is missing, and buckets are cut by it"):
        load(monkeypatch, tmp_path, "low")


def test_mistakes_in_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no variant .highest.* high, medium, low, all"):
        load(monkeypatch, tmp_path, "highest")
    with pytest.raises(UnknownNameError, match="high_100"):
        load(monkeypatch, tmp_path, "high_100")
    with pytest.raises(DataError, match=f"{VARIABLE}: there is no folder"):
        load(monkeypatch, tmp_path / "none", "high")
    with pytest.raises(DataError, match="there is no such file"):
        load(monkeypatch, tmp_path, "high")


def test_columns_that_are_not_there_are_no_problem() -> None:
    problems = Problems()
    table = Table("f", [Row(Place("f", 1), {"question": "q", "answer": "a"})])
    (example,) = facts_of(table, problems, subject=("country",), entity=("capital",))
    assert not problems.found and example.subject is None
