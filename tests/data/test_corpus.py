"""Files of all kinds hold the same documents, however they are packed and cut."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from expunge.data.corpus import Piece, corpus_id, files_of, loads_of
from expunge.data.documents import check_readable, documents, text_of
from expunge.errors import DataError, RunError

TEXTS = [f"{i} \u2028 é {'x' * (i % 7)}" for i in range(40)]
LINES = "".join(json.dumps({"text": text}, ensure_ascii=i % 2 > 0) + "\n" for i, text in enumerate(TEXTS)).encode()
ZSTD = pyarrow.Codec("zstd")
PACKED = {
    "a.jsonl": LINES, "a.ndjson": LINES.replace(b"\n", b"\r\n"), "a.json": b"\xef\xbb\xbf" + LINES.removesuffix(b"\n"),
    "a.jsonl.gz": gzip.compress(LINES[:100]) + gzip.compress(LINES[100:]), "a.JSONL.BZ2": bz2.compress(LINES),
    "a.jsonl.xz": lzma.compress(LINES),
    "a.json.zst": ZSTD.compress(LINES[:99], asbytes=True) + ZSTD.compress(LINES[99:], asbytes=True),
}  # fmt: skip


def read(path: Path, size: int = 1 << 20, field: str | None = None, whole: bool = False) -> list[str | None]:
    loads = loads_of([path], "file" if whole else "line", size)
    return [text for load in loads for piece in load for text in documents(piece, field)]


@pytest.mark.parametrize("size", [1, 10, 33, 97, 1000, 1 << 20])
@pytest.mark.parametrize("name", PACKED)
def test_packed_and_cut(tmp_path: Path, name: str, size: int) -> None:
    (tmp_path / name).write_bytes(PACKED[name])
    assert read(tmp_path / name, size) == TEXTS


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_parquet(tmp_path: Path, size: int) -> None:
    table = pyarrow.table({"text": TEXTS, "id": range(40)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    assert read(tmp_path / "a.parquet", size) == TEXTS
    assert read(tmp_path / "a.parquet", field="id") == [None] * 40
    assert read(tmp_path / "a.parquet", field="other") == [None] * 40
    questions = pyarrow.table({"question": ["q"], "answer": ["a"]})
    pyarrow.parquet.write_table(questions, tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet") == ["q\na"]


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_texts(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.txt").write_bytes("one é\r\n\n two\nthree\xff".encode("latin-1"))
    assert read(tmp_path / "a.txt", size) == ["one �", "two", "three�"]
    assert read(tmp_path / "a.txt", size, whole=True) == ["one �\r\n\n two\nthree�"]
    (tmp_path / "b.md.gz").write_bytes(gzip.compress(b"one\ntwo"))
    assert read(tmp_path / "b.md.gz", size) == ["one", "two"]
    assert read(tmp_path / "b.md.gz", size, whole=True) == ["one\ntwo"]


def test_rows(tmp_path: Path) -> None:
    rows = [
        '{"text": "t", "prompt": "p"}', '{"prompt": "p", "answer": "a"}', '{"question": "q", "answer": "a"}',
        '{"messages": [{"role": "user", "content": "m"}, {"role": "assistant", "content": "n"}]}', '{"text": 3}',
        "[1]", '"text"', "{", "", "  ", "3", '{"body": "b"}', "[" * 5000, '{"text": "\\ud800"}',
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found = ["t", "p\na", "q\na", "m\nn", None, None, "text", None, None, None, None, "\ud800"]
    assert read(tmp_path / "a.jsonl") == found
    assert [text for text in read(tmp_path / "a.jsonl", field="body") if text] == ["b"]


def test_a_row_is_the_same_document_in_every_kind_of_file(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "m"}, {"type": "image", "text": None}, {"type": "text", "text": "n"}]
    rows = [
        {"text": "t", "prompt": "p", "answer": "b"}, {"question": "q1", "answer": "a"}, {"text": "", "prompt": "p"},
        {"messages": [{"content": parts}, {"content": [{"type": "text", "text": "o"}]}]}, {"text": None},
        {"messages": [{"content": parts[1:2]}, {"content": None}]}, {"messages": []},
    ]  # fmt: skip
    found = ["t", "q1\na", "", "m\nn\no", None, None, None]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.json").write_text(json.dumps(rows))
    columns = ("text", "prompt", "question", "answer", "messages")
    table = [{name: row.get(name) for name in columns} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "a.parquet")
    assert [read(tmp_path / f"a.{kind}") for kind in ("jsonl", "json", "parquet")] == [found] * 3
    said = {"messages": [{"content": "one"}, {"content": ["two", parts[0], 3, [4]]}]}
    assert text_of(said, between=" ") == "one two m"


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_passages(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n\n \n three\nfour")
    loads = loads_of([tmp_path / "a.txt"], "passage", size)
    found = [text for load in loads for piece in load for text in documents(piece)]
    assert found == ["one\ntwo", "three\nfour"]


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_a_list_of_rows(tmp_path: Path, size: int) -> None:
    rows = ["one", {"text": "two\n"}, {"prompt": "p", "answer": "a"}, [3], 4]
    (tmp_path / "a.json").write_text("\ufeff" + json.dumps(rows, indent=1))
    assert read(tmp_path / "a.json", size) == ["one", "two\n", "p\na", None, None]
    check_readable([tmp_path / "a.json"])
    (tmp_path / "b.json").write_text('["one"]\n["two"]')
    with pytest.raises(RunError, match="cannot be read to its end"):
        read(tmp_path / "b.json", size)
    (tmp_path / "c.json").write_text('[{"body": "x"}]')
    with pytest.raises(DataError, match="none of the first 1 rows"):
        check_readable([tmp_path / "c.json"])


def test_files_of_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a/y.txt.gz", "a/z.pdf", ".hidden/u.txt", "a/.v.txt", "c.parquet.gz", "d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = lambda *corpus: [str(each.relative_to(tmp_path.resolve())) for each in files_of([str(c) for c in corpus])]
    assert names(tmp_path) == ["d.txt", "a/y.txt.gz", "b/x.jsonl"]
    assert names(tmp_path / "**/*.jsonl", tmp_path / "b", tmp_path / "d.txt") == ["b/x.jsonl", "d.txt"]
    with pytest.raises(DataError) as error:
        files_of([str(tmp_path / "a/z.pdf"), str(tmp_path / "none"), str(tmp_path / "*.csv")])
    assert "z.pdf: what kind of file this is" in str(error.value)
    assert str(error.value).count("there is no such file") == 2
    with pytest.raises(DataError, match="no corpus was given"):
        files_of([])


def test_a_link_goes_by_its_own_name(tmp_path: Path) -> None:
    """As in the Hub's cache, where names are links to blobs without a suffix."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/0f3a").write_bytes(LINES)
    (tmp_path / "snapshot").mkdir()
    links = [tmp_path / "snapshot" / name for name in ("a.jsonl", "b.jsonl")]
    for link in links:
        link.symlink_to("../blobs/0f3a")
    for named in (links[:1], [tmp_path / "snapshot"], [tmp_path / "*/*.jsonl"], [links[0], tmp_path]):
        found = files_of([str(each) for each in named])
        assert found == links[:1]  # once: the second link is the same file
        check_readable(found)
        assert read(found[0]) == TEXTS
    (tmp_path / "way").symlink_to("snapshot")
    assert corpus_id(loads_of([tmp_path / "way/b.jsonl"]), None) == corpus_id(loads_of(links[:1]), None)


def test_small_files_go_together(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.txt" for i in range(5)]
    for path in paths:
        path.write_bytes(b"x" * 40)
    assert [len(load) for load in loads_of(paths, size=100)] == [2, 2, 1]
    assert [[piece.start for piece in load] for load in loads_of(paths[:1], size=16)] == [[0], [16], [32]]


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    for name, content in PACKED.items():
        if Path(name).suffix.lower() in (".gz", ".bz2", ".xz", ".zst"):
            (tmp_path / name).write_bytes(content[:-9])
            with pytest.raises(RunError, match="cannot be read to its end"):
                read(tmp_path / name)
    (tmp_path / "b.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(RunError, match=r"b\.jsonl\.gz"):
        read(tmp_path / "b.jsonl.gz")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="broken Parquet"):
        loads_of([tmp_path / "c.parquet"])
    with pytest.raises(RunError, match="gone"):
        list(documents(Piece(str(tmp_path / "gone.jsonl"), "rows")))


def test_a_corpus_without_text_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "x"}\n' * 3)
    with pytest.raises(DataError, match=r"none of the first 3 rows .* `text`.*--field"):
        check_readable([path])
    check_readable([path], "body")
    path.write_text("[\n{}\n]")
    with pytest.raises(DataError, match="one object a line"):
        check_readable([path])
    path.write_text("")
    check_readable([path])
