"""The whole study on the smallest world, through the command line: targets, pilot, arms, report; and a kill between."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.record_file import load_record

WORLD = "world:people:persons=20,forget=0.5,size=tiny,epochs=2"
SMALL = f"""
suite: "{WORLD}"
objectives: [npo]
localizers: [snip]
seeds: 2
draws: 1
steps: 4
evaluations: 2
rows: 8
batch_size: 4
plant: {{epochs: 1}}
replay: 0.5
rates: [0.001, 0.01]
whole_rates: [0.001]
"""
BASE = f"""
suite: "{WORLD}"
base: "{WORLD}@retrained"
retain: 20
parts: [B]
objectives: [wga]
localizers: [snip]
seeds: 2
draws: 1
steps: 2
evaluations: 1
rows: 8
batch_size: 4
teach: {{epochs: 1}}
plant: {{epochs: 1}}
replay: 0.1
rates: [0.001]
whole_rates: [0.0003]
utility: false
"""
SOURCE = Path(__file__).parents[3] / "src"


def numbers(out: Path) -> dict:
    """Everything that was measured; seconds differ each time."""
    found = json.loads((out / "results.json").read_text())
    for arm in found["arms"]:
        for regions in arm["seeds"].values():
            for result in regions.values():
                result.pop("seconds")
    return found


def results(out: Path) -> dict[Path, int]:
    """Every result of a job or a region, and when it was written."""
    folders = ("targets", "pilot", "recall", "runs")
    return {path: path.stat().st_mtime_ns for each in folders for path in (out / each).rglob("*.json")}


def test_from_nothing_to_a_report_and_again_after_a_kill(tmp_path: Path) -> None:
    recipe, one, two = tmp_path / "small.yaml", tmp_path / "one", tmp_path / "two"
    recipe.write_text(SMALL)
    assert run(["study", "localization", "--config", str(recipe), "--out", str(one)]) == 0
    assert load_record(one).status == "done"
    found = numbers(one)
    assert {(arm["part"], arm["objective"]) for arm in found["arms"]} == {("B", "npo"), ("A", "npo")}
    planted = found["arms"][0]["seeds"]["0"]
    assert list(planted) == ["oracle", "random 0", "snip"]
    assert planted["random 0"]["recall"] == 0.0  # disjoint from V_tgt
    assert planted["oracle"]["weights"] == planted["random 0"]["weights"] == planted["snip"]["weights"]
    assert not list((one / "targets").rglob("planting"))
    assert "Do localizers find what was planted?" in (one / "report.md").read_text()

    command = [sys.executable, "-m", "expunge", "study", "localization", "--config", str(recipe), "--out", str(two)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600  # starting takes long on a busy machine
    while not list(two.rglob("oracle.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was alive, so something was left to do
    finished = results(two)
    assert any(path.name == "oracle.json" for path in finished)
    assert len(finished) < len(results(one))
    assert run(["study", "localization", "--config", str(recipe), "--out", str(two), "--resume"]) == 0
    assert numbers(two) == found
    assert {path: results(two)[path] for path in finished} == finished  # what was done is not done again


def test_a_base_model_is_taught_first_and_nothing_is_tested(tmp_path: Path) -> None:
    recipe, out = tmp_path / "base.yaml", tmp_path / "out"
    recipe.write_text(BASE)
    assert run(["study", "localization", "--config", str(recipe), "--out", str(out), "--json"]) == 0
    found = numbers(out)
    assert found["rates"] == {"wga, region": 0.001, "wga, whole": 0.0003}
    assert list(found["arms"][0]["seeds"]["1"]) == ["oracle", "random 0", "snip", "all weights"]
    recalled = json.loads((out / "recall" / "value_vectors" / "seed-0" / "result.json").read_text())
    assert set(recalled["localizers"]) == {"random", "snip"}
    text = (out / "report.md").read_text()
    assert "descriptive" in text
    assert "TOST p" not in text
    assert "million parameters" not in text
    assert not list((out / "targets").rglob("teaching"))


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("localizers: [oracle]", "in every comparison already"),
        ("base: smollm2", "set `parts: [B]`"),
        ("{base: no/such/model, parts: [B]}", "no/such/model"),
        ("suite: tofu:forget01", "name a `base`"),
        ("seeds: 1", "seeds"),
        ("granularity: weights", "granularity"),
    ],
)
def test_mistakes_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], recipe: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe)
    out = tmp_path / "out"
    assert run(["study", "localization", "--config", str(tmp_path / "recipe.yaml"), "--out", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()
