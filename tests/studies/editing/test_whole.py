"""The whole study on the smallest world, through the command line; its jobs run here, one after another."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from expunge.bench.jobs import Job
from expunge.bench.worker import work
from expunge.cli.app import run
from expunge.record_file import load_record
from expunge.studies import running

SMALL = """
suite: "world:people:persons=8,forget=0.5,epochs=1,size=tiny"
seeds: 2
editors: [rome, alphaedit, grace]
objectives: [npo]
numbers: [1, 4]
singles: 2
merged: [rome]
merge: 2
kinds: [named, empty]
kinds_of: [memit, idk]
chains: [memit]
alphas: [1.0]
requested: [alphaedit]
requests: 2
places: [0.1, 0.6]
fitting: {contexts: 0, steps: 2}
rates: [0.003]
steps: 2
evaluations: 1
batch_size: 4
rows: 4
corpus_tokens: 300
teach: {epochs: 1, learning_rate: 0.001, batch_size: 16}
replay: 0.25
attacks: ["relearn:epochs=1", detach, logit_lens]
"""


class Here:
    """An engine without processes."""

    def __init__(self, *_: object) -> None:
        self.done: list[Job] = []

    def free(self) -> bool:
        return not self.done

    def start(self, job: Job) -> None:
        work(job)
        self.done.append(job)

    def ended(self) -> list[tuple[Job, str]]:
        ended, self.done = self.done, []
        return [(job, "") for job in ended]

    def stop(self) -> None: ...


@pytest.fixture(autouse=True, scope="module")
def here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "ENGINES", {"local": Here})
        yield


def numbers(found: dict[str, Any]) -> dict[str, Any]:
    """Without times, which are never the same."""
    arms = [{key: value for key, value in each.items() if key != "seconds"} for each in found["arms"]]
    return {**found, "arms": arms}


@pytest.mark.slow
def test_from_nothing_to_a_report_and_again_after_parts_are_lost(tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.yaml", tmp_path / "out"
    recipe.write_text(SMALL)
    typed = ["study", "editing", "--config", str(recipe), "--out", str(out)]
    assert run(typed) == 0
    assert load_record(out).status == "done"
    found = json.loads((out / "results.json").read_text())
    labels = {(each["knowledge"], each["part"], each["facts"], each["arm"]) for each in found["arms"]}
    assert {
        ("pretrained", "numbers", 1, "rome"), ("finetuned", "numbers", 4, "npo"),
        ("pretrained", "merging", 4, "rome, merged by keys"), ("pretrained", "targets", 4, "memit, empty"),
        ("pretrained", "chained", 4, "memit, α = 1"), ("pretrained", "chained", 4, "npo, then memit"),
        ("pretrained", "requests", 4, "alphaedit, 2 requests"),
    } <= labels  # fmt: skip
    assert ("pretrained", "targets", 4, "idk, empty") not in labels  # no training prefers nothing
    assert len(found["arms"]) == 2 * len(labels)  # both seeds of each: nothing failed
    assert found["chosen"]["alphaedit"] in (0.1, 0.6) and found["chosen"]["npo"] == 0.003
    detached = [
        each["attacks"]["detach"][""] for each in found["arms"] if each["arm"] == "grace" and each["facts"] == 4
    ]
    assert detached == [found["controls"][k][s]["unedited"]["attacks"]["detach"][""] for k in found["controls"]
                        for s in found["controls"][k]]  # fmt: skip
    (steps,) = {len(each["steps"]) for each in found["arms"] if each["arm"] == "alphaedit, 2 requests"}
    assert steps == 2
    unedited = found["controls"]["pretrained"]["0"]["unedited"]
    assert {each["kept"] for each in unedited["measures"].values()} == {1.0}
    assert set(unedited["attacks"]) == {"relearn:epochs=1", "detach", "logit_lens"}
    for name in ("report.html", "report.md", "pictures/against-pretrained.svg", "pictures/lens-finetuned.svg"):
        assert (out / name).is_file(), name
    cell = out / "cells" / "pretrained" / "chained-4" / "seed-1"
    for lost in ("result.json", "memit,-then-npo.json"):
        (cell / lost).unlink()
    assert run([*typed, "--resume"]) == 0
    assert numbers(json.loads((out / "results.json").read_text())) == numbers(found)
