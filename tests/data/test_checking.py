"""Checking: rows become examples, or every problem is said with its file, line and field."""

from collections.abc import Mapping
from typing import Any

import pytest

from expunge.data.checking import check_columns, examples_of
from expunge.data.example import Example, Turn
from expunge.data.problems import Place, Problems
from expunge.data.rows import Row, Table
from expunge.errors import ConfigError


def check(
    *rows: Mapping[str, Any], columns: Mapping[str, str] | None = None, textual: bool = False
) -> tuple[list[Example], list[str]]:
    problems = Problems()
    table = Table("f", [Row(Place("f", i), dict(row)) for i, row in enumerate(rows, start=1)], textual)
    return examples_of(table, problems, columns), [str(each) for each in problems.found]


QA = {"prompt": "q", "answer": "a"}


def test_the_three_kinds_of_row() -> None:
    conversation = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": "four", "extra": 1},
    ]
    examples, problems = check(QA, {"messages": conversation}, {"text": " whole\n"}, {**QA, "text": "t"})
    assert not problems
    assert examples[0] == Example(id="f:1", prompt="q", answer="a", source="f:1")
    turns = (Turn("system", "s"), Turn("user", "one"), Turn("assistant", "two"))
    assert examples[1] == Example(id="f:2", prompt="three", answer="four", turns=turns, source="f:2")
    assert examples[2] == Example(id="f:3", prompt=None, answer=" whole\n", source="f:3")
    assert examples[3].prompt == "q"


def test_all_fields() -> None:
    row = {
        **QA, "id": 7, "paraphrases": ["p1", "p2"], "aliases": "b", "paraphrased_answer": "pa",
        "perturbed_answers": ["x"], "alternate": "no", "subject": "s", "group": 3, "count": 4.0,
        "popularity": -1.5, "weight": 2, "unknown": [1],
    }  # fmt: skip
    examples, problems = check(row, {**QA, "count": None, "subject": "", "paraphrases": None})
    assert not problems
    assert examples[0] == Example(
        id="7", prompt="q", answer="a", paraphrases=("p1", "p2"), aliases=("b",), paraphrased_answer="pa",
        perturbed_answers=("x",), alternate="no", subject="s", group="3", count=4, popularity=-1.5, weight=2.0,
        source="f:1",
    )  # fmt: skip
    assert examples[1] == Example(id="f:2", prompt="q", answer="a", source="f:2")


def test_official_tofu_names() -> None:
    row = {"question": "q", "answer": "a", "paraphrased_question": "p", "perturbed_answer": ["x", "y"]}
    (example,), problems = check(row)
    assert not problems
    assert (example.prompt, example.paraphrases, example.perturbed_answers) == ("q", ("p",), ("x", "y"))


def test_names_of_the_sets_of_published_facts() -> None:
    row = {"direct_question": "q", "direct_answer": "a", "paraphrased_question": "p", "paraphrased_answer": "b"}
    (example,), problems = check(row)
    assert not problems
    assert (example.prompt, example.answer, example.paraphrases, example.paraphrased_answer) == ("q", "a", ("p",), "b")


def test_a_fields_own_name_comes_before_a_synonym_and_renaming_before_both() -> None:
    row = {"question": "synonym", "prompt": "own", "asked": "renamed", "answer": "a"}
    assert check(row)[0][0].prompt == "own"
    assert check(row, columns={"asked": "prompt"})[0][0].prompt == "renamed"
    assert check({**row, "prompt": None})[0][0].prompt == "synonym"
    assert check(row, columns={"question": "subject"})[0][0].subject == "synonym"


def test_cells_of_csv() -> None:
    row = {
        **QA, "count": "3", "popularity": "4.1", "weight": "0.5", "id": "5", "paraphrases": '["p", "r"]',
        "perturbed_answers": "x [y]",
        "messages": '[{"role": "user", "content": "u"}, {"role": "assistant", "content": "v"}]',
    }  # fmt: skip
    (example,), problems = check(row, textual=True)
    assert not problems
    assert (example.prompt, example.answer) == ("u", "v")
    assert (example.count, example.popularity, example.weight) == (3, 4.1, 0.5)
    assert (example.id, example.paraphrases, example.perturbed_answers) == ("5", ("p", "r"), ("x [y]",))
    (example,), _ = check({**QA, "aliases": ' ["Oslo"]'}, textual=True)
    assert example.aliases == ("Oslo",)
    assert check({**QA, "count": "3"})[1] == ["f:1: `count` must be a number, but is text"]
    assert check({**QA, "count": "many"}, textual=True)[1] == ["f:1: `count` must be a number"]
    assert check({**QA, "aliases": "[1"}, textual=True)[1] == ["f:1: `aliases` must be a list written as JSON"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answer": ""}, "`answer` is empty"),
        ({"answer": " \n"}, "`answer` holds nothing but white space"),
        ({"answer": None}, "`answer` is null"),
        ({"prompt": 3}, "`prompt` must be text, but is a number"),
        ({"prompt": True}, "`prompt` must be text, but is true or false"),
        ({"prompt": ["q"]}, "`prompt` must be text, but is a list"),
        ({"prompt": {"q": 1}}, "`prompt` must be text, but is an object"),
        ({"prompt": b"q"}, "`prompt` must be text, but is a value of the type bytes"),
        ({"answer": "a\x00"}, "`answer` holds a zero character (the file is probably damaged)"),
        ({"answer": "a\ud800"}, r"`answer` holds half a character ('\ud800', character 2)"),
        ({"id": 1.5}, "`id` must be text, but is a number"),
        ({"paraphrases": 1}, "`paraphrases` must be text or a list of texts, but is a number"),
        ({"paraphrases": ["p", None]}, "`paraphrases[1]` must be text, but is null"),
        ({"paraphrases": ["p", ["q"]]}, "`paraphrases[1]` must be text, but is a list"),
        ({"perturbed_answer": ["p", " "]}, "`perturbed_answer[1]` holds nothing but white space"),
        ({"count": -1}, "`count` must be a whole number, 0 or more"),
        ({"count": 1.5}, "`count` must be a whole number, 0 or more"),
        ({"count": True}, "`count` must be a number, but is true or false"),
        ({"weight": -0.1}, "`weight` must be 0 or more"),
        (
            {"weight": float("inf")},
            "`weight` is no number that can be computed with (not finite, or above 1e15)",
        ),
        (
            {"weight": float("nan")},
            "`weight` is no number that can be computed with (not finite, or above 1e15)",
        ),
        ({"weight": 10**300}, "`weight` is no number that can be computed with (not finite, or above 1e15)"),
        ({"messages": {}}, "`messages` must be a list of messages, but is an object"),
        ({"messages": []}, "`messages` must end with a message of the user and the assistant's answer to it"),
        ({"messages": ["hi"]}, '`messages[0]` must be {"role": …, "content": …}, but is text'),
        ({"messages": [{"role": "user"}]}, "`messages[0].content` must be text, but is null"),
        (
            {"messages": [{"role": "gpt", "content": "x"}]},
            "`messages[0].role` must be one of system, user, assistant (did you mean 'assistant'?)",
        ),
        (
            {"messages": [{"role": ["user"], "content": "x"}]},
            "`messages[0].role` must be one of system, user, assistant (did you mean 'user'?)",
        ),
    ],
)
def test_wrong_values(change: dict[str, Any], expected: str) -> None:
    examples, problems = check(QA, {**QA, **change})
    assert problems == [f"f:2: {expected}"]
    assert len(examples) == 1


def test_a_field_that_this_row_lacks() -> None:
    examples, problems = check(QA, {"prompt": "q", "anwser": "a"}, {"other": 1})
    assert len(examples) == 1
    assert problems[0].startswith("f:2: `answer` is missing or empty (is 'anwser' meant as 'answer'? Rename it")
    assert problems[1].startswith("f:3: a row needs `prompt` (or `question`) and `answer`")


@pytest.mark.parametrize(
    ("names", "missing", "hint"),
    [
        (("prompt", "anwser"), "no row has `answer`", "columns anwser=answer)"),
        (("Question", "answer"), "no row has `prompt`", "columns Question=prompt)"),
        (("promt", "x"), "no row has `prompt` and `answer`", "columns promt=prompt)"),
        (("txt", "x"), "no row has `prompt` and `answer`", "columns txt=text)"),
        (("body", "x"), "no row has `prompt` and `answer`", "Columns here: 'body', 'x'"),
    ],
)
def test_a_column_that_the_file_lacks_is_said_once(names: tuple[str, str], missing: str, hint: str) -> None:
    examples, problems = check(*[dict.fromkeys(names, "v")] * 100)
    assert not examples
    assert len(problems) == 1
    assert problems[0].startswith(f"f:1: {missing}; a row needs")
    assert problems[0].endswith(hint)


def test_all_problems_at_once() -> None:
    _, problems = check({"prompt": "", "answer": 3, "count": "x"}, {"prompt": "q", "answer": " "}, {"text": 1})
    assert [problem.split("` ")[0] for problem in problems] == [
        "f:1: `prompt", "f:1: `answer", "f:1: `count", "f:2: `answer", "f:3: `text",
    ]  # fmt: skip


def test_problems_do_not_repeat_texts() -> None:
    secret = "the secret sentence"
    _, problems = check({"prompt": [secret], "answer": secret + "\x00", "id": [secret], "group": {secret: 1}})
    assert len(problems) == 4
    assert not any("secret" in problem for problem in problems)


def test_renaming_is_checked() -> None:
    table = Table("f", [Row(Place("f", 1), {"asked": "q", "answer": "a"})])
    problems = Problems()
    check_columns({"asked": "prompt"}, [table], problems)
    assert not problems.found
    check_columns({"askd": "prompt"}, [table], problems)
    assert str(problems.found[0]) == "columns: no file has a column 'askd' (did you mean 'asked'?)"
    with pytest.raises(ConfigError, match=r"'promt' is no field. Did you mean 'prompt'\?"):
        check_columns({"asked": "promt"}, [table], problems)


def test_names_from_files_cannot_act_in_a_terminal() -> None:
    _, problems = check({"promt\n\x1b[2J": "q", "answer": "a"})
    assert len(problems) == 1 and problems[0].isprintable()
