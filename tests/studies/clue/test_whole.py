"""The whole study on the smallest world, through the command line: circuits, pilot, cells, checks, the report."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.config import ClueStudyConfig
from expunge.errors import ExpungeError
from expunge.record_file import load_record
from expunge.studies.clue.plan import check, jobs, ready
from expunge.studies.running import write_result

pytest.importorskip("pysat")
SMALL = """
suite: "world:people:persons=20,forget=0.5,size=tiny,epochs=4"
objectives: [idk]
localizers: [saliency]
granularities: [matrices]
surveyed: [matrices]
pairs: 4
points: 1
patched_pairs: 2
draws: 1
seeds: 2
epochs: 2
rows: 8
batch_size: 16
rates: [0.001]
relearn: {epochs: 1}
"""
ARMS = [
    "CLUE", "one stage", "all weights in stage 2", "no stage 1", "random nodes 0", "all weights", "saliency",
    "circuits again between the stages", "several retain circuits", "circuit of another task",
]  # fmt: skip


def numbers(out: Path) -> dict:
    """Everything that was measured; times differ."""
    found = json.loads((out / "results.json").read_text())
    for cell in found["cells"]:
        for results in cell["seeds"].values():
            for result in results.values():
                result.pop("processor_seconds", None)
    return found


def test_from_nothing_to_a_report_and_again_after_a_part_is_lost(tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.yaml", tmp_path / "out"
    recipe.write_text(SMALL)
    assert run(["study", "clue", "--config", str(recipe), "--out", str(out)]) == 0
    assert load_record(out).status == "done"
    found = numbers(out)
    (cell,) = found["cells"]
    for results in cell["seeds"].values():
        assert list(results) == ARMS
        clue, union, random = (results[arm] for arm in ("CLUE", "one stage", "random nodes 0"))
        assert clue["share"] == union["share"] == random["share"]  # by construction, exactly
        # single weights, as many
        total = clue["stages"][0]["weights"] / 1.0
        assert results["saliency"]["share"] == pytest.approx(clue["share"], abs=1 / total)
        assert 0 < clue["changed"] <= clue["share"] <= results["all weights"]["share"] == 1
        assert sum(stage["epochs"] for stage in clue["stages"]) == 2 and len(clue["points"]) == 3
        assert set(clue["moved"]) and "moved" not in union
        if not clue["nodes"]["forget"]:  # then these are one and the same
            assert clue["points"] == union["points"] == results["no stage 1"]["points"]
    for checked in found["checks"]["matrices"]:
        assert set(checked["off"]["left"]["off"]) == {"forget", "retain", "geography", "offices"}
        assert checked["exact"]["edges"] == 29
    assert len(found["survey"]) == 2 and len(found["survey"][0]["rows"]) == 4
    for name in ("report.html", "report.md", "pictures/matrices-distance.svg", "pictures/matrices-idk.svg"):
        assert (out / name).is_file(), name
    for lost in ("result.json", "saliency.json"):
        (out / "cells" / "matrices" / "idk" / "seed-1" / lost).unlink()
    (out / "checks" / "matrices" / "seed-0" / "result.json").unlink()
    assert run(["study", "clue", "--config", str(recipe), "--out", str(out), "--resume"]) == 0
    assert numbers(out) == found


def test_cells_wait_for_the_rates_the_model_and_its_circuits(tmp_path: Path) -> None:
    config = check(ClueStudyConfig(objectives=("idk",), localizers=(), seeds=2, granularities=("matrices",)))
    startable = lambda: {job.label for job in jobs(config, tmp_path) if ready(job, config, tmp_path)}
    found = {job.label: job for job in jobs(config, tmp_path)}
    assert startable() == {f"model, seed {seed}" for seed in range(3)}
    write_result(found["model, seed 2"].folder, {})
    assert "circuits, matrices, seed 2" in startable() and not any(label.startswith("pilot") for label in startable())
    write_result(found["circuits, matrices, seed 2"].folder, {})
    pilots = [label for label in found if label.startswith("pilot")]
    assert len(pilots) == 6 and set(pilots) <= startable()
    for label in pilots:  # without stage 1 there is nothing to train on the pilot seed
        losses = [None] * 4 if "no stage 1" in label else [0.3, 0.2, 0.1, 1.2]
        write_result(found[label].folder, {"losses": losses})
    write_result(found["model, seed 0"].folder, {})
    assert {"circuits, matrices, seed 0", "survey, seed 0"} <= startable()
    assert not {"idk, matrices, seed 0", "checks, matrices, seed 0"} & startable()
    write_result(found["circuits, matrices, seed 0"].folder, {})
    assert {"idk, matrices, seed 0", "checks, matrices, seed 0"} <= startable()
    assert "idk, matrices, seed 1" not in startable()
    cell = next(job for job in jobs(config, tmp_path) if job.label == "idk, matrices, seed 0")
    assert set(cell.values["rates"].values()) == {1e-3} and "no stage 1" in cell.values["rates"]


def test_in_full_there_are_all_granularities() -> None:
    assert check(ClueStudyConfig(full=True)).granularities == ("heads", "matrices", "neurons")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"suite": "tofu:mini"}, "needs world:people"), ({"objectives": ("nop",)}, "nop"),
        ({"localizers": ("wagel",)}, "Did you mean 'wagle'"), ({"localizers": ("random",)}, "no gradient's choice"),
        ({"first": 6}, "stage 2 needs some"), ({"localizers": ("wagle", "wagle")}, "twice"),
    ],
)  # fmt: skip
def test_mistakes(values, says) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(ClueStudyConfig.model_validate(values))
