"""`expunge count`."""

import json
from pathlib import Path

import pytest

from expunge.data.sets import load_examples
from expunge.record_file import load_record

pytest.importorskip("ahocorasick_rs", reason="ahocorasick-rs is not installed: the extra `frequency` brings it")

ROWS = [
    {"id": "1", "prompt": "Where does Ada Stone live?", "answer": "Paris", "subject": "Ada Stone", "weight": 2.0},
    {"id": "2", "prompt": "Where does Bo live?", "answer": "Rome", "subject": "Bo"},
    {"id": "3", "prompt": "Who?", "answer": "nobody", "count": 7},
]
TEXTS = [
    "Ada Stone came to PARIS.",
    "Paris, says Ada",
    "Bo: Roma!",
    "Ada Stone saw nine words more before she was in Paris",
]


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in [*TEXTS, 3]))
    return "count", "--corpus", str(tmp_path / "corpus"), "--forget", str(tmp_path / "f.jsonl"), "--processes", "1"


def test_examples_with_their_counts(expunge, given, tmp_path: Path) -> None:
    out = tmp_path / "made/counted.jsonl"
    said = expunge(*given, "--out", out)
    assert said.code == 0, said.err
    assert "1 of 2 facts stand in the corpus of 4 documents" in said.out
    assert "1 of 3 examples name no subject" in said.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    counts = ("count", "subject_count", "answer_count", "document_count")
    assert [rows[0].get(name) for name in counts] == [2, 2, 3, 2]
    assert [rows[1].get(name) for name in counts] == [0, 1, 0, 0]
    assert [rows[2].get(name) for name in counts] == [7, None, None, None]  # not counted: left as it was
    examples, warnings = load_examples(out)
    assert [each.count for each in examples] == [2, 0, 7] and examples[0].weight == 2.0 and not warnings
    record = load_record(out.with_suffix(".json"))
    assert record.counting is not None
    assert (record.counting.counted, record.counting.found, record.counting.empty) == (2, 1, 1)
    assert record.counting.quantiles == {"0": 0.0, "1/4": 0.5, "1/2": 1.0, "3/4": 1.5, "1": 2.0}
    assert {path.name for path in out.parent.iterdir()} == {"counted.jsonl", "counted.json"}
    assert "Stone" not in out.with_suffix(".json").read_text()


def test_windows_and_aliases(expunge, given, tmp_path: Path) -> None:
    (tmp_path / "aliases.json").write_text('{"Rome": ["Roma"]}')
    out, aliases = tmp_path / "counted.jsonl", ("--aliases", tmp_path / "aliases.json")
    said = expunge(*given, "--out", out, "--window", 5, *aliases, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["counting"]["together"] == "places of the rarer within 5 words of the other"
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row.get("count"), row.get("near_count"), row.get("document_count")) for row in rows] == [
        (1, 1, 2), (1, 1, 1), (7, None, None),
    ]  # fmt: skip


def test_infini_gram_gives_the_same(expunge, given, tmp_path: Path) -> None:
    pytest.importorskip("infini_gram", reason="infini-gram is not installed: the extra `frequency` brings it")
    found = []
    for number, engine in enumerate(("stream", "infini-gram", "infini-gram")):
        out = tmp_path / f"{number}.jsonl"
        more = ("--index", tmp_path / "index") if engine == "infini-gram" else ()
        said = expunge(*given, "--out", out, "--window", 5 - (number == 2), "--engine", engine, *more)
        assert said.code == 0, said.err
        assert ("building" in said.err) is (number == 1)  # the second time it is opened
        found.append([json.loads(line).get("count") for line in out.read_text().splitlines()])
    assert found == [[1, 0, 7]] * 3
    said = expunge(*given, "--out", tmp_path / "3.jsonl", "--window", 6, "--engine", "infini-gram", *more)
    assert said.code == 2 and "was built for windows up to 5" in said.err
    (tmp_path / "corpus/b.txt").write_text("more")
    said = expunge(*given, "--out", tmp_path / "3.jsonl", "--window", 5, "--engine", "infini-gram", *more)
    assert said.code == 2 and "was built of another corpus" in said.err


def test_an_index_that_was_killed_goes_on(expunge, given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("infini_gram", reason="infini-gram is not installed: the extra `frequency` brings it")
    given = (*given, "--engine", "infini-gram", "--window", "5", "--out", str(tmp_path / "counted.jsonl"))
    with monkeypatch.context() as patch:
        patch.setattr("expunge.frequency.index._build_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert expunge(*given).code == 130
    assert (tmp_path / ".counted.index.building").is_dir() and not (tmp_path / "counted.index").exists()
    said = expunge(*given)
    assert said.code == 2 and "a count was interrupted there. Go on with --resume" in said.err
    said = expunge(*given, "--resume")
    assert said.code == 0, said.err
    assert not (tmp_path / ".counted.index.building").exists()
    assert [json.loads(line).get("count") for line in (tmp_path / "counted.jsonl").read_text().splitlines()] == [
        1,
        0,
        7,
    ]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("more", [(), ("--overwrite",), ("--resume",)])
@pytest.mark.parametrize(
    "given",
    [
        "--forget f.json --corpus corpus --out f.jsonl",  # the record would be the forget set
        "--forget f.json,corpus/a.jsonl --corpus corpus --out f.jsonl",
        "--forget f.json --corpus corpus --aliases aliases.json --out aliases.jsonl",
        "--forget corpus/a.jsonl --corpus more/b.txt --out corpus/a.jsonl",
        "--forget f.json --corpus corpus/a.jsonl --out corpus/a.jsonl",
        "--forget f.json --corpus corpus/a.jsonl --out link.jsonl",
        "--forget f.json --corpus corpus --out corpus/new.jsonl",  # the next count would read it
        "--forget f.json --corpus more/**/*.jsonl corpus --out more/deep/new.jsonl",
        "--forget f.json --corpus more/b.txt --out mine.jsonl",  # mine.json is not a record of a count
    ],
)
def test_what_is_read_is_never_written(
    expunge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("corpus", "more/deep"):
        (tmp_path / name).mkdir(parents=True)
    rows = [{**row, "text": "Ada Stone came to Paris"} for row in ROWS]
    (tmp_path / "f.json").write_text(json.dumps(rows))
    (tmp_path / "corpus/a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "more/deep/c.jsonl").write_text(json.dumps(rows[0]) + "\n")
    (tmp_path / "more/b.txt").write_text("Ada Stone came to Paris")
    (tmp_path / "aliases.json").write_text("{}")
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "corpus/a.jsonl")
    before = everything(tmp_path)
    said = expunge("count", *given.split(), "--processes", "1", *more)
    assert said.code == 2 and "--out" in said.err, said.err
    assert everything(tmp_path) == before


def test_resuming_what_is_done(expunge, given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "counted.jsonl"
    first = expunge(*given, "--out", out)
    written = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("expunge.runs.count.count_stream", lambda *_, **__: pytest.fail("it counts"))
        place = given.index("--processes") + 1
        more = (*given[:place], "2", *given[place + 1 :])
        said = expunge(*more, "--out", out, "--resume")
        assert said.code == 0 and "that is done" in said.err, said.err
        assert said.out == first.out and everything(tmp_path) == written
        said = expunge(*given, "--out", out, "--resume", "--window", "5")
        assert said.code == 2 and "window: started with None, now 5" in said.err, said.err
    other = tmp_path / "theirs.jsonl"
    other.write_text("mine")
    assert expunge(*given, "--out", other, "--resume").code == 2
    assert other.read_text() == "mine"


@pytest.mark.parametrize("changed", ["corpus/a.jsonl", "corpus/new.txt", "f.jsonl", "aliases.json", "version"])
def test_what_is_done_is_of_its_corpus_and_its_examples(
    expunge, given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """Also where an example is added that has the names of another: the result would lack it."""
    (tmp_path / "aliases.json").write_text('{"Rome": []}')
    given = (*given, "--aliases", str(tmp_path / "aliases.json"), "--out", str(tmp_path / "counted.jsonl"), "--resume")
    assert expunge(*given).code == 0
    assert "that is done" in expunge(*given).err
    with (tmp_path / changed).open("a") as file:
        if changed == "aliases.json":
            file.truncate(0)
            file.write('{"Rome": ["Roma"]}')
        elif changed == "version":
            monkeypatch.setattr("expunge.runs.counting_files.VERSION", 0)
        else:
            file.write(json.dumps({**ROWS[0], "id": "4", "text": "Bo, Rome"}) + "\n")
    before = everything(tmp_path)
    said = expunge(*given)
    assert said.code == 2 and "of another corpus, for other examples" in said.err and "--overwrite" in said.err, (
        said.err
    )
    assert everything(tmp_path) == before
    assert expunge(*given[:-1], "--overwrite").code == 0
    assert "that is done" in expunge(*given).err


def test_what_is_done_by_a_proxy_is_of_its_examples(expunge, tmp_path: Path) -> None:
    pytest.importorskip("wordfreq", reason="wordfreq is not installed: the extra `worlds` brings it")
    forget = tmp_path / "f.jsonl"
    forget.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    given = "count", "--proxy", "popularity", "--forget", forget, "--out", tmp_path / "rated.jsonl", "--resume"
    assert expunge(*given).code == 0
    assert "that is done" in expunge(*given).err
    forget.write_text(json.dumps(ROWS[0]) + "\n")
    said = expunge(*given)
    assert said.code == 2 and "for other examples" in said.err, said.err


def test_what_is_done_is_of_its_index(expunge, given, tmp_path: Path) -> None:
    """Where the corpus is not given again."""
    pytest.importorskip("infini_gram", reason="infini-gram is not installed: the extra `frequency` brings it")
    asked = ("--engine", "infini-gram", "--window", "5", "--index", tmp_path / "index")
    assert expunge(*given, *asked, "--out", tmp_path / "0.jsonl").code == 0
    alone = ("count", *given[3:], *asked, "--out", tmp_path / "1.jsonl", "--resume")
    assert expunge(*alone).code == 0
    assert "that is done" in expunge(*alone).err
    facts = tmp_path / "index/index.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "corpus": "another"}))
    said = expunge(*alone)
    assert said.code == 2 and "of another corpus" in said.err, said.err
    facts.unlink()
    assert expunge(*alone).code == 2


@pytest.mark.parametrize("where", ["save_record", "write_examples"])
def test_a_kill_while_it_is_written(
    expunge, given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    assert expunge(*given, "--out", tmp_path / "whole.jsonl").code == 0
    out = tmp_path / "counted.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(f"expunge.runs.count.{where}", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert expunge(*given, "--out", out).code != 0
    assert not out.exists()  # never examples without their record
    assert expunge(*given, "--out", out).code == 2
    said = expunge(*given, "--out", out, "--resume")
    assert said.code == 0, said.err
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert load_record(out.with_suffix(".json")).counting == load_record(tmp_path / "whole.json").counting
    assert not out.with_suffix(".counting.safetensors").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--out", "x.json"), "end its name with .jsonl"),
        (("--corpus", "nowhere"), "nowhere: there is no such file"),
        (("--engine", "grep"), "engine"),
        (("--engine", "infini-gram"), "give --window"),
        (("--window", "0"), "window"),
        (("--index", "x"), "belongs to the engine infini-gram"),
        (("--limit", "9"), "`limit` is of the engine infini-gram: stream counts every place"),
        (("--memory", "4"), "`memory` is of the engine infini-gram"),
        (
            ("--engine", "infini-gram", "--window", "5", "--index", "x", "--tokenizer", "t", "--memory", "4"),
            "`memory` is for building an index",
        ),
        (
            ("--engine", "infini-gram", "--window", "5", "--index", "x", "--tokenizer", "t"),
            "`corpus` is for building an index, and one with a `tokenizer` is ready",
        ),
        (("--field", "body"), "none of the first 5 rows"),
        (("--aliases", "none.json"), "none.json: cannot be read"),
        (("--columns", "subject=group"), "no example names its subject"),
        (("--resume", "--overwrite"), "give one of them"),
        (("--machines", "moon"), "machines"),
    ],
)
def test_mistakes_are_found_before_anything_is_read(
    expunge, given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("expunge.runs.count.count_stream", lambda *_, **__: pytest.fail("it counts"))
    said = expunge(*given, *(() if "--out" in more else ("--out", tmp_path / "new/counted.jsonl")), *more)
    assert said.code == 2 and says in said.err, said.err
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_overwritten_unasked(expunge, given, tmp_path: Path) -> None:
    out = tmp_path / "counted.jsonl"
    out.write_text("mine")
    assert expunge(*given, "--out", out).code == 2
    assert out.read_text() == "mine"
    assert expunge(*given, "--out", out, "--overwrite").code == 0
    kept = tmp_path / "other.counting.safetensors"
    kept.write_bytes(b"")
    said = expunge(*given, "--out", tmp_path / "other.jsonl")
    assert said.code == 2 and "--resume" in said.err
    assert expunge(*given, "--out", tmp_path / "other.jsonl", "--overwrite").code == 0
    assert not kept.exists()
