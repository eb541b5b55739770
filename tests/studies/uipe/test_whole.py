"""The whole study on the smallest world, through the command line: pilot, cells, the motivating pair, the report."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.config import UipeStudyConfig
from expunge.errors import ExpungeError
from expunge.record_file import load_record
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


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EXPUNGE_CACHE", str(folder))
        yield folder


def test_from_nothing_to_a_report_and_again_after_a_part_is_lost(tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.yaml", tmp_path / "out"
    recipe.write_text(SMALL)
    assert run(["study", "uipe", "--config", str(recipe), "--out", str(out)]) == 0
    assert load_record(out).status == "done"
    found = json.loads((out / "results.json").read_text())
    assert len(found["cells"]) == 4 and len(found["motivating"]) == 2
    for cell in found["cells"]:
        assert set(cell["from"]) == {"half", "early", "kept"}
        # α = 0 is the checkpoint itself, measured again
        step = cell["from"]["early"]["step"]
        point = next(p for p in cell["trajectory"] if p["step"] == step)
        assert cell["from"]["early"]["curve"][0]["measures"] == point["measures"]
        assert cell["from"]["early"]["norm"] == pytest.approx(point["norm"], rel=1e-5)
        assert set(cell["selectors"]) == {"nearest", "gap", "directed"}
    for name in ("report.html", "report.md", "pictures/taken-along.svg", "pictures/motivating.svg"):
        assert (out / name).is_file(), name
    lost = out / "cells" / "tiny" / "npo" / "seed-1" / "result.json"
    lost.unlink()
    assert run(["study", "uipe", "--config", str(recipe), "--out", str(out), "--resume"]) == 0
    assert json.loads((out / "results.json").read_text()) == found


def test_cells_wait_for_the_rates(tmp_path: Path) -> None:
    config = check(UipeStudyConfig(methods=("npo",), seeds=2))
    found = jobs(config, tmp_path)
    assert [ready(job, config, tmp_path) for job in found[:3]] == [True] * 3
    assert not any(ready(job, config, tmp_path) for job in found[3:])
    single = check(UipeStudyConfig(methods=("npo",), seeds=2, rates=(1e-3,)))
    assert all(ready(job, single, tmp_path) for job in jobs(single, tmp_path))


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
