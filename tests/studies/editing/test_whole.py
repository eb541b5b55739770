"""The study on the smallest world, through the command line; its jobs run here, one after another.

Two halves: both kinds of knowledge with the first part, and all parts with one of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from expunge.cli.app import run
from expunge.record_file import load_record
from expunge.studies import running
from inline_engine import Here

SMALL = """
suite: "world:people:persons=8,forget=0.5,epochs=1,size=tiny"
seeds: 2
objectives: [npo]
numbers: [4]
merged: [rome]
merge: 2
kinds: [named, empty]
kinds_of: [memit, idk]
chains: [memit]
alphas: [1.0]
requested: [alphaedit]
requests: 2
fitting: {contexts: 0, steps: 2}
rates: [0.003]
steps: 2
evaluations: 1
batch_size: 4
rows: 4
corpus_tokens: 300
teach: {epochs: 1, learning_rate: 0.001, batch_size: 16}
replay: 0.25
"""


KNOWLEDGE = """
parts: [numbers]
editors: [rome, grace]
places: [0.6]
attacks: ["relearn:epochs=1", detach, logit_lens]
"""
PARTS = """
knowledge: [pretrained]
editors: [rome]
places: [0.1, 0.6]
attacks: [detach]
"""


@pytest.fixture(autouse=True, scope="module")
def here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "ENGINES", {"local": Here})
        yield


def typed(folder: Path, text: str) -> list[str]:
    """The command; the study goes to `folder`/out."""
    (folder / "small.yaml").write_text(SMALL + text)
    return ["study", "editing", "--config", str(folder / "small.yaml"), "--out", str(folder / "out")]


def results(folder: Path) -> dict[str, Any]:
    """Without times, which are never the same."""
    found = json.loads((folder / "out" / "results.json").read_text())
    return {
        **found,
        "arms": [{key: value for key, value in each.items() if key != "seconds"} for each in found["arms"]],
    }


def labels(found: dict[str, Any]) -> set[tuple[str, ...]]:
    """Every arm, which both seeds have: nothing failed."""
    every = {(each["knowledge"], each["part"], each["arm"]) for each in found["arms"]}
    assert len(found["arms"]) == 2 * len(every)
    return every


@pytest.mark.slow
def test_both_kinds_of_knowledge(tmp_path: Path) -> None:
    assert run(typed(tmp_path, KNOWLEDGE)) == 0
    assert load_record(tmp_path / "out").status == "done"
    found = results(tmp_path)
    assert labels(found) == {
        (knowledge, "numbers", arm) for knowledge in ("pretrained", "finetuned") for arm in ("rome", "grace", "npo")
    }  # fmt: skip
    detached = [each["attacks"]["detach"][""] for each in found["arms"] if each["arm"] == "grace"]
    assert detached == [found["controls"][k][s]["unedited"]["attacks"]["detach"][""] for k in found["controls"]
                        for s in found["controls"][k]]  # fmt: skip
    unedited = found["controls"]["pretrained"]["0"]["unedited"]
    assert {each["kept"] for each in unedited["measures"].values()} == {1.0}
    assert set(unedited["attacks"]) == {"relearn:epochs=1", "detach", "logit_lens"}
    for name in ("report.html", "report.md", "pictures/against-pretrained.svg", "pictures/lens-finetuned.svg"):
        assert (tmp_path / "out" / name).is_file(), name


@pytest.mark.slow
def test_all_parts_and_again_after_some_are_lost(tmp_path: Path) -> None:
    assert run(command := typed(tmp_path, PARTS)) == 0
    found = results(tmp_path)
    every = {(part, arm) for _, part, arm in labels(found)}
    assert {
        ("numbers", "rome"), ("merging", "rome"), ("merging", "rome, merged by keys"), ("targets", "memit, empty"),
        ("chained", "npo"), ("chained", "memit, α = 1"), ("chained", "npo, then memit"),
        ("requests", "alphaedit, 2 requests"),
    } <= every  # fmt: skip
    assert ("targets", "idk, empty") not in every  # no training prefers nothing
    assert found["chosen"]["alphaedit"] in (0.1, 0.6) and found["chosen"]["npo"] == 0.003
    (steps,) = {len(each["steps"]) for each in found["arms"] if each["arm"] == "alphaedit, 2 requests"}
    assert steps == 2
    cells = tmp_path / "out" / "cells" / "pretrained"
    assert not (cells / "merging-4" / "seed-0" / "rome.json").exists()  # the first part has it
    for lost in ("result.json", "memit,-then-npo.json"):
        (cells / "chained-4" / "seed-1" / lost).unlink()
    assert run([*command, "--resume"]) == 0
    assert results(tmp_path) == found
