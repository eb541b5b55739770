"""A command finds what another one observed; `--no-cache` finds and leaves nothing."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.evaluate.observations import observe
from expunge.record_file import load_record

METRICS = "probability,rouge_l_recall"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many answers each pass scored, prompts each generation answered."""
    found: list[int] = []
    module = sys.modules[observe.__module__]
    for name in ("score", "generate_tokens"):
        real = getattr(module, name)
        counted = lambda model, rows, real=real, **options: found.append(len(rows)) or real(model, rows, **options)
        monkeypatch.setattr(module, name, counted)
    return found


def test_a_second_evaluation_asks_nothing_and_says_the_same(
    expunge: Callable, files, tmp_path: Path, asked: list[int], observations: Path
) -> None:
    usual = ("evaluate", "--model", files.model, "--forget", files.forget, "--metrics", METRICS, "--max-new-tokens", 3)
    off = expunge(*usual, "--no-cache", "--out", tmp_path / "off")
    assert off.code == 0, off.err
    assert not observations.exists() and asked
    asked.clear()
    assert expunge(*usual, "--out", tmp_path / "one").code == 0
    assert asked and observations.is_dir()
    asked.clear()
    assert expunge(*usual, "--out", tmp_path / "two").code == 0
    assert asked == []
    assert expunge(*usual, "--no-cache", "--out", tmp_path / "three").code == 0
    assert asked
    records = [load_record(tmp_path / name) for name in ("off", "one", "two", "three")]
    assert all(record.before == records[0].before for record in records)
    assert records[0].changed["evaluate.cache"] is False


def test_unlearning_starts_from_what_was_observed_and_leaves_its_result(
    expunge: Callable, unlearn: Callable, files, tmp_path: Path, asked: list[int]
) -> None:
    sets = ("--forget", files.forget, "--metrics", METRICS, "--max-new-tokens", 3)
    assert expunge("evaluate", "--model", files.model, *sets, "--out", tmp_path / "before").code == 0
    asked.clear()
    said = unlearn("--metrics", METRICS)
    assert said.code == 0, said.err
    counts = len(asked)
    change = tmp_path / "run" / "change.safetensors"
    after = expunge("evaluate", "--model", f"{files.model}+{change}", *sets, "--out", tmp_path / "after")
    assert after.code == 0, after.err
    assert len(asked) == counts
    unlearned, alone = load_record(tmp_path / "run"), load_record(tmp_path / "after")
    assert alone.model is not None and alone.model.digest == unlearned.methods["npo"].change.result_digest  # type: ignore[union-attr]
    assert alone.before["forget"] == unlearned.methods["npo"].after["forget"]
    assert unlearned.before["forget"] == load_record(tmp_path / "before").before["forget"]


def test_what_is_kept_holds_no_text(expunge: Callable, files, tmp_path: Path, observations: Path) -> None:
    usual = ("evaluate", "--model", files.model, "--forget", files.forget, "--max-new-tokens", 3)
    seen = expunge(*usual, "--include-text", "--no-cache", "--out", tmp_path / "seen", "--metrics", METRICS)
    assert seen.code == 0, seen.err
    record = load_record(tmp_path / "seen")
    texts = {*record.generations["forget"]} | {row.answer for row in record.sets["forget"].rows if row.answer}
    words = {word.encode() for text in texts for word in text.split()}

    def kept() -> set[bytes]:
        contents = [path.read_bytes() for path in observations.rglob("*") if path.is_file()]
        assert contents
        return {word for word in words if any(word in content for content in contents)}

    assert expunge(*usual, "--out", tmp_path / "silent", "--metrics", METRICS).code == 0
    assert kept() == set()
    assert expunge(*usual, "--include-text", "--out", tmp_path / "loud", "--metrics", METRICS).code == 0
    assert kept()
