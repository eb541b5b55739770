"""What is kept comes back to the bit; what is broken, foreign or too much does no harm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from expunge.store import Store, trim

KEY = {"model": "abc", "attack": "prefix", "options": {"tokens": 4, "share": 0.1}}
VALUE = {
    "scores": [0.1 + 0.2, 5e-324, float("inf"), -0.0, 1.0],
    "note": "",
    "more": [{"deep": [[0.5, {"x": [1]}]]}, None, True, 3],
}


def test_a_value_comes_back_to_the_bit_also_in_another_process(tmp_path: Path) -> None:
    Store(tmp_path).put("attacks", KEY, VALUE)
    assert repr(Store(tmp_path).get("attacks", KEY)) == repr(VALUE)
    code = f"from expunge.store import Store; from pathlib import Path; inf = float('inf')\n" \
           f"assert repr(Store(Path({str(tmp_path)!r})).get('attacks', {KEY!r})) == repr({VALUE!r})"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_same_kind_and_key_find_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("attacks", KEY, VALUE)
    assert store.get("attacks", dict(reversed(KEY.items()))) is not None
    assert store.get("metrics", KEY) is None
    assert store.get("attacks", {**KEY, "options": {"tokens": 5, "share": 0.1}}) is None
    assert store.get("attacks", {**KEY, "options": {"tokens": 4.5, "share": 0.1}}) is None
    store.put("attacks", KEY, [1])
    assert store.get("attacks", KEY) == [1]


def test_a_store_that_is_off_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store(None).put("attacks", KEY, VALUE)
    assert Store(None).get("attacks", KEY) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", [b"", b'{"format": 1, "key": "', b"\xff\xfe", b"[]", b"{}", b'{"format": 0}'])
def test_a_broken_file_is_told_of_and_made_again(tmp_path: Path, broken: bytes) -> None:
    said: list[str] = []
    store = Store(tmp_path, say=said.append)
    store.put("attacks", KEY, VALUE)
    (path,) = (tmp_path / "attacks").iterdir()
    path.write_bytes(broken)
    assert store.get("attacks", KEY) is None
    assert len(said) == 1 and str(path) in said[0]
    store.put("attacks", KEY, VALUE)
    assert store.get("attacks", KEY) == VALUE


def test_a_file_under_another_hash_is_not_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("attacks", KEY, 1)
    (one,) = (tmp_path / "attacks").iterdir()
    other = {**KEY, "model": "other"}
    store.put("attacks", other, 2)
    (two,) = (path for path in (tmp_path / "attacks").iterdir() if path != one)
    two.write_bytes(one.read_bytes())
    assert store.get("attacks", other) is None


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "attacks").write_text("a file where the folder would be")
    said: list[str] = []
    Store(tmp_path, say=said.append).put("attacks", KEY, VALUE)
    assert len(said) == 1


def test_no_text_of_a_key_is_kept(tmp_path: Path) -> None:
    Store(tmp_path).put("attacks", {"prompt": "Ottilie"}, [0.5])
    (path,) = (tmp_path / "attacks").iterdir()
    assert b"Ottilie" not in path.read_bytes() and "Ottilie" not in path.name


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("a", "b", "c", ".d.1.partial")):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    trim(tmp_path, limit=20)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", ".d.1.partial"}
    trim(tmp_path, limit=20)
    assert len(list(tmp_path.iterdir())) == 3
