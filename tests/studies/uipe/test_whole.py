"""The whole study on the smallest world, through the command line: pilot, cells, the motivating pair, the report."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.config import UipeStudyConfig
from expunge.errors import ExpungeError
from expunge.record_file import load_record
from expunge.studies.results import write_result
from expunge.studies.uipe.plan import check, jobs, ready

SMALL = """
suite: "world:people:persons=20,forget=0.5,epochs=2"
sizes: [tiny]
methods: [gradient_ascent, npo]
seeds: 2
steps: 4
evaluations: 2
rows: 8
batch_size: 4
rates: [0.001, 0.003]
alphas: [0.0, 0.5, 1.0, 2.0]
selectors: [nearest, gap, directed]
draws: 1
teach: {epochs: 1, learning_rate: 0.001}
replay: 0.5
"""


def test_from_nothing_to_a_report_and_again_after_a_part_is_lost(tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.yaml", tmp_path / "out"
    recipe.write_text(SMALL)
    assert run(["study", "uipe", "--config", str(recipe), "--out", str(out)]) == 0
    assert load_record(out).status == "done"
    found = json.loads((out / "results.json").read_text())
    assert len(found["cells"]) == 4 and len(found["motivating"]) == 2
    for cell in found["cells"]:
        assert set(cell["from"]) == {"half", "early", "kept"}
        # α = 0 is the checkpoint itself
        step = cell["from"]["early"]["step"]
        point = next(p for p in cell["trajectory"] if p["step"] == step)
        assert cell["from"]["early"]["curve"][0]["measures"] == point["measures"]
        assert cell["from"]["early"]["norm"] == pytest.approx(point["norm"], rel=1e-5)
        assert set(cell["selectors"]) == {"nearest", "gap", "directed"}
        promise = cell["promise"]
        assert 200 >= promise["cuts"] >= promise["held"] >= promise["held further"] <= promise["further"]
    for name in ("report.html", "report.md", "pictures/taken-along.svg", "pictures/motivating.svg"):
        assert (out / name).is_file(), name
    lost = out / "cells" / "tiny" / "npo" / "seed-1" / "result.json"
    lost.unlink()
    assert run(["study", "uipe", "--config", str(recipe), "--out", str(out), "--resume"]) == 0
    assert json.loads((out / "results.json").read_text()) == found


def test_cells_wait_for_the_rates_and_for_their_model(tmp_path: Path) -> None:
    config = check(UipeStudyConfig(methods=("npo",), seeds=2, sizes=("1M",)))
    found = jobs(config, tmp_path)
    made = [job for job in found if "kind" in job.values]
    assert [job.label for job in made[:2]] == ["model full, 1M, seed 2", "model full, 1M, seed 0"]
    startable = lambda: {job.label for job in jobs(config, tmp_path) if ready(job, config, tmp_path)}
    assert startable() == {job.label for job in made}
    write_result(made[0].folder, {})
    pilots = {job.label for job in found if job.label.startswith("pilot")}
    assert len(pilots) == 3 and startable() == {job.label for job in made} | pilots
    for job, loss in zip((job for job in found if job.label in pilots), (0.3, 0.1, 0.2)):
        write_result(job.folder, {"loss": loss})
    write_result(made[1].folder, {})
    assert "npo, 1M, seed 0" in startable() and "npo, 1M, seed 1" not in startable()
    assert next(job for job in jobs(config, tmp_path) if job.label == "npo, 1M, seed 0").values["rate"] == 3e-4


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"methods": ("nop",)}, "the study has no 'nop'"),
        ({"suite": "wmdp:cyber"}, "name a `base`"),
        ({"base": "smollm2"}, "leave `base` out"),
        ({"alphas": (0.0, 1.0)}, "must have 0.5"),
        ({"selectors": ("nearset",)}, "Did you mean 'nearest'"),
    ],
)
def test_mistakes(values, says) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(UipeStudyConfig.model_validate(values))
