"""Fuzzing of the readers: whatever a file holds, the result is right sets or a DataError that names it.

Valid files of all four formats are damaged: bytes flipped, cut out, doubled, cut off, nulls inserted, encodings
changed, marks of the format misplaced; and rows get values of wrong types. More than 2,000 files in all. A property
test beside it: valid rows come back as equal examples from every format.
"""

import csv
import io
import json
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.data.example import Example, Sets, Turn
from expunge.data.sets import load_data
from expunge.errors import DataError

SETTINGS = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
FORMATS = ("json", "jsonl", "csv", "parquet")
STRUCTURED = ("messages", "paraphrases", "perturbed_answers")

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30).map(
    lambda text: text + "x"
)
optional = {
    "paraphrases": st.lists(words, min_size=1, max_size=3),
    "perturbed_answers": st.lists(words, min_size=1, max_size=3),
    "paraphrased_answer": words,
    "alternate": words,
    "subject": words,
    "count": st.integers(0, 10**12),
    "popularity": st.floats(-1e3, 1e3),
    "weight": st.floats(0.001, 1e6),
    "passage": st.booleans(),
}
question_rows = st.fixed_dictionaries({"prompt": words, "answer": words}, optional=optional)
text_rows = st.fixed_dictionaries({"text": words}, optional={"group": words})
chat_rows = st.fixed_dictionaries({
    "messages": st.lists(st.tuples(words, words), min_size=1, max_size=2).map(
        lambda pairs: [
            {"role": role, "content": content}
            for pair in pairs
            for role, content in zip(("user", "assistant"), pair)
        ]
    )
})  # fmt: skip
tables = st.one_of(*(st.lists(rows, min_size=1, max_size=4) for rows in (question_rows, text_rows, chat_rows)))


def as_bytes(rows: list[dict[str, Any]], kind: str) -> bytes:
    """A file of these rows."""
    if kind == "json":
        return json.dumps(rows, indent=1).encode()
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if kind == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()} for row in rows
        )
        return text.getvalue().encode(errors="surrogatepass")
    sink = io.BytesIO()
    names = dict.fromkeys(name for row in rows for name in row)  # from_pylist takes the first row's names only
    full = [{name: row.get(name) for name in names} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(full), sink)
    return sink.getvalue()


def load(content: bytes, kind: str) -> Sets | str:
    """The sets, or the message; any other exception fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"data.{kind}"
        file.write_bytes(content)
        try:
            return load_data(file)
        except DataError as error:
            return str(error)


def right_or_clear(content: bytes, kind: str) -> None:
    """Right sets hold usable text only; a clear error names the file in each line, and a place within it."""
    result = load(content, kind)
    if isinstance(result, Sets):
        assert result.forget
        for example in result.forget:
            texts = [example.answer, *example.paraphrases, *example.perturbed_answers]
            texts += [] if example.prompt is None else [example.prompt]
            assert all(text.strip() and text.encode() and "\x00" not in text for text in texts)
            assert math.isfinite(example.weight) and example.weight >= 0
            assert re.fullmatch(r"data\.\w+(:\d+)?(#\d+)?", example.source)
        return
    head, *lines = result.splitlines()
    assert re.fullmatch(r"[\d,]+ problems? in the data:", head)
    assert lines
    for line in lines:
        assert re.match(r"  (data\.\w+(:\d+)?(#\d+)?:? |forget: |… and )", line), line
        assert len(line) < 2000


@st.composite
def damaged(draw: st.DrawFn, kind: str) -> bytes:
    """A valid file after one to three accidents."""
    content = bytearray(as_bytes(draw(tables), kind))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        end = min(at + draw(st.integers(1, 40)), len(content))
        accident = draw(st.sampled_from(["flip", "byte", "cut", "truncate", "double", "insert", "recode"]))
        if accident == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif accident == "byte" and content:
            content[at] = draw(st.integers(0, 255))
        elif accident == "cut":
            del content[at:end]
        elif accident == "truncate":
            del content[at:]
        elif accident == "double":
            content[at:at] = content[at:end]
        elif accident == "insert":
            content[at:at] = draw(st.sampled_from(PIECES))
        elif accident == "recode":
            name = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "utf-7"]))
            content = bytearray(content.decode(errors="ignore").encode(name, errors="ignore"))
    return bytes(content)


PIECES = [
    b"\x00", b"\xff", b"\xef\xbb\xbf", b'"', b"'", b",", b":", b";", b"{", b"}", b"[", b"]", b"{}", b"[]", b'""',
    b"\n", b"\r", b"\r\n\r\n", b"\\", b"\\u0000", b"\\ud800", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1c", b"\x1b[2J",
    b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"true", b'"prompt": ', b'"data": [',
    b"[" * 3000, b'{"a":' * 3000,
]  # fmt: skip

plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(), words)
anything = st.recursive(
    plain | st.sampled_from(["", " ", "\x00", "\ud800", "ok"]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
NAMES = ("id", "prompt", "question", "answer", "messages", "text", *optional, "group", "anwser", "role", "")


@st.composite
def swapped(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows in which fields have come to hold values of other types, got lost or got other names."""
    rows = [dict(row) for row in draw(tables)]
    for _ in range(draw(st.integers(1, 4))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        name = draw(st.sampled_from(sorted({*row, *NAMES})))
        accident = draw(st.sampled_from(["value", "lose", "rename", "everywhere"]))
        if accident == "value":
            row[name] = draw(anything)
        elif accident == "lose":
            row.pop(name, None)
        elif accident == "rename" and name in row:
            row[draw(st.sampled_from(NAMES))] = row.pop(name)
        elif accident == "everywhere":
            value = draw(anything)
            rows = [{**each, name: value} for each in rows]
    return rows


@given(damaged("json"))
@settings(SETTINGS, max_examples=500)
def test_damaged_json(content: bytes) -> None:
    right_or_clear(content, "json")


@given(damaged("jsonl"))
@settings(SETTINGS, max_examples=500)
def test_damaged_json_lines(content: bytes) -> None:
    right_or_clear(content, "jsonl")


@given(damaged("csv"))
@settings(SETTINGS, max_examples=400)
def test_damaged_csv(content: bytes) -> None:
    right_or_clear(content, "csv")


@given(damaged("parquet"))
@settings(SETTINGS, max_examples=400)
def test_damaged_parquet(content: bytes) -> None:
    right_or_clear(content, "parquet")


@given(swapped(), st.sampled_from(FORMATS))
@settings(SETTINGS, max_examples=500)
def test_wrong_values(rows: list[dict[str, Any]], kind: str) -> None:
    try:
        content = as_bytes(rows, kind)
    except (pyarrow.ArrowException, UnicodeEncodeError, csv.Error, OverflowError):
        return  # the format itself cannot hold such rows
    right_or_clear(content, kind)


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
@settings(SETTINGS, max_examples=200)
def test_any_bytes(content: bytes, kind: str) -> None:
    right_or_clear(content, kind)


def expected(rows: list[dict[str, Any]]) -> list[Example]:
    """What rows say, written down independently of the readers."""
    examples = []
    for i, row in enumerate(rows):
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k not in ("messages", "text")}
        if turns := row.get("messages"):
            given = {"prompt": turns[-2]["content"], "answer": turns[-1]["content"]}
            given["turns"] = tuple(Turn(**turn) for turn in turns[:-2])
        if "text" in row:
            given |= {"prompt": None, "answer": row["text"]}
        examples.append(Example(id=str(i), **given))
    return examples


@given(tables)
@settings(SETTINGS, max_examples=100)
def test_valid_rows_are_equal_examples_in_every_format(rows: list[dict[str, Any]]) -> None:
    readers: dict[str, Callable[[], bytes]] = {kind: lambda kind=kind: as_bytes(rows, kind) for kind in FORMATS}
    for kind, content in readers.items():
        result = load(content(), kind)
        assert isinstance(result, Sets), (kind, result)
        found = [replace(example, id=str(i), source="") for i, example in enumerate(result.forget)]
        assert found == expected(rows), kind
