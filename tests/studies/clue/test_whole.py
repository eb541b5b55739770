"""The whole study on the smallest world, through the command line: circuits, pilot, cells, checks, the report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.config import ClueStudyConfig
from expunge.data.example import Example
from expunge.errors import ExpungeError
from expunge.record_file import load_record
from expunge.studies.clue import plan
from expunge.studies.clue.arms import BY_RATIO
from expunge.studies.clue.plan import cells, check, jobs, ready
from expunge.studies.clue.scene import SKILL
from expunge.studies.results import write_result
from expunge.suites import Suite
from tiny import tiny_sets

pytest.importorskip("pysat")
SMALL = """
suite: "world:people:persons=20,forget=0.5,size=tiny,epochs=4"
objectives: [idk]
localizers: [memflex]
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
unrelated: 4
teach: {learning_rate: 0.0003, max_steps: 4, batch_size: 16}
ratios: [0.5, 1.0]
"""
ARMS = [
    "CLUE", "one stage", "no stage 1", "random nodes 0", "all weights", "all weights in stage 2", "memflex",
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
        assert 0.9 * clue["share"] < results["memflex"]["share"] <= clue["share"]  # whole rows
        assert 0 < clue["changed"] <= clue["share"] <= results["all weights"]["share"] == 1
        assert sum(stage["epochs"] for stage in clue["stages"]) == 2 and len(clue["points"]) == 3
        assert set(clue["moved"]) and "moved" not in union
        if not clue["nodes"]["forget"]:  # then these are one and the same
            assert clue["points"] == union["points"] == results["no stage 1"]["points"]
        for result in (each for each in results.values() if "absent" not in each):
            assert set(result["points"][-1]["measures"]) > {"geography", "offices", "forget, reworded", SKILL}
            assert 0 <= result["membership"]["auc"] <= 1 and result["said"]["retain"] <= 1
            assert ", 4 steps at" in result["unrelated"]["note"]
    # the model of the first seed cannot do the skill at all, so that these two have no circuits
    assert {arm for arm, each in cell["seeds"]["0"].items() if "circuits were not" in each.get("absent", "")} == {
        "several retain circuits", "circuit of another task",
    }  # fmt: skip
    assert not any("circuits were not" in each.get("absent", "") for each in cell["seeds"]["1"].values())
    assert found["shares"]["0.5"][0]["rows"] == 20 and set(found["shares"]["0.5"][0]["arms"]) == set(BY_RATIO)
    assert len(found["models"]) == 2 and found["models"][0]["after"][SKILL] >= 0
    for checked in found["checks"]["matrices"]:
        assert set(checked["off"]["left"]["off"]) >= {"forget", "retain", "geography", "offices"}
        assert checked["exact"]["edges"] == 29
    assert len(found["survey"]) == 2 and len(found["survey"][0]["rows"]) == 4
    for name in ("report.html", "report.md", "pictures/matrices-distance.svg", "pictures/matrices-idk.svg",
                 "pictures/matrices-idk-roc.svg"):  # fmt: skip
        assert (out / name).is_file(), name
    report = (out / "report.md").read_text()
    for named in ("| FE |", "| RU |", "| GU |", "Weights changed", "ROUGE-L, forget", "Membership AUC", "Skill",
                  "After unrelated training", "How much is to be forgotten"):  # fmt: skip
        assert named in report, named
    for lost in ("result.json", "memflex.json"):
        (out / "cells" / "matrices" / "idk" / "seed-1" / lost).unlink()
    (out / "checks" / "matrices" / "seed-0" / "result.json").unlink()
    assert run(["study", "clue", "--config", str(recipe), "--out", str(out), "--resume"]) == 0
    assert numbers(out) == found


def test_cells_wait_for_the_rates_the_model_and_its_circuits(tmp_path: Path) -> None:
    config = check(ClueStudyConfig(objectives=("idk",), localizers=(), seeds=2, granularities=("matrices",)))
    assert all(job.values.get("taught", "").endswith(f"models/seed-{job.values['seed']}")
               for job in jobs(config, tmp_path) if "taught" in job.values)  # fmt: skip
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
    assert not {"idk, matrices, seed 0", "checks, matrices, seed 0", "shares, seed 1"} & startable()
    write_result(found["circuits, matrices, seed 0"].folder, {})
    assert {"idk, matrices, seed 0", "checks, matrices, seed 0", "shares, seed 0"} <= startable()
    assert "idk, matrices, seed 1" not in startable()
    cell = next(job for job in jobs(config, tmp_path) if job.label == "idk, matrices, seed 0")
    assert set(cell.values["rates"].values()) == {1e-3} and "no stage 1" in cell.values["rates"]


def test_in_full_there_are_all_granularities_and_objectives() -> None:
    full = check(ClueStudyConfig(full=True))
    assert full.granularities == ("heads", "matrices", "neurons") and len(list(cells(full))) == 3 * 3 * 6
    plain = [(grain, objective) for grain, objective, seed, _ in cells(ClueStudyConfig()) if not seed]
    assert plain == [("heads", "idk"), ("heads", "npo"), ("heads", "gradient_ascent"), ("matrices", "idk")]


def test_a_real_model_is_not_made_and_not_taught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a suite with a model of its own, or a `base`, circuits can be looked for at once."""
    sets = tiny_sets()
    suite = Suite("tofu:mini", sets, utility={"other capital": sets.retain, "element": sets.retain}, model="smollm2")
    monkeypatch.setattr(plan, "find_suite", lambda _: suite)
    config = check(ClueStudyConfig(suite="world:capitals", rates=(1e-5,), seeds=3, ratios=(), arms=("all weights",)))
    startable = [job for job in jobs(config, tmp_path) if ready(job, config, tmp_path)]
    assert {job.run.rpartition(".")[2] for job in startable} == {"nodes:circuits", "checking:survey"}
    assert all(job.values["taught"] is None for job in startable)
    assert startable[0].values["wanted"] == ["one"]
    monkeypatch.setattr(plan, "find_suite", lambda _: replace(suite, model=None))
    with pytest.raises(ExpungeError, match="name a `base`"):
        check(config)
    monkeypatch.setattr(plan, "find_suite", lambda _: replace(suite, sets=replace(sets, holdout=())))
    with pytest.raises(ExpungeError, match="twins or a holdout"):
        check(config)
    texts = replace(sets, retain=(Example("d", None, "a text"),))
    monkeypatch.setattr(plan, "find_suite", lambda _: replace(suite, sets=texts))
    with pytest.raises(ExpungeError, match="'d' is a text"):
        check(config)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"base": "smollm2"}, "leave `base` out"), ({"objectives": ("nop",)}, "nop"),
        ({"localizers": ("wagel",)}, "Did you mean 'wagle'"), ({"localizers": ("random",)}, "no gradient's choice"),
        ({"first": 6}, "stage 2 needs some"), ({"localizers": ("wagle", "wagle")}, "twice"),
        ({"arms": ("one stages",)}, "there is no 'one stages'"),
    ],
)  # fmt: skip
def test_mistakes(values, says) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(ClueStudyConfig.model_validate(values))
