"""The whole study on the smallest world: models, cells, the report; and what may start when."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from expunge.config import FrequencyStudyConfig, LoadConfig, settings
from expunge.errors import ExpungeError
from expunge.models.model import Model
from expunge.studies import done
from expunge.studies.frequency import scene
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import check, jobs, ready, seeds_of
from expunge.studies.results import write_result

SMALL = """
suite: "world:people:persons=8,forget=0.5,frequency=true,epochs=1"
sizes: [tiny]
methods: [idk]
seeds: 3
selecting: 1
forms: ["margin", "rare first, alpha a bucket"]
steps: 2
evaluations: 2
rows: 8
batch_size: 4
rates: [0.003]
utility_floor: 0.01
"""
ARMS = {"uniform", "rarest alone", "most frequent alone", "margin", "rare first, alpha a bucket"}


def work(config: FrequencyStudyConfig, out: Path) -> None:
    """Every job that is not done, in this process; as the engines do, which start one for each."""
    while waiting := [job for job in jobs(config, out) if not done(job) and ready(job, config, out)]:
        module, _, name = waiting[0].run.partition(":")
        getattr(import_module(module), name)(waiting[0].folder, **waiting[0].values)


@pytest.fixture
def one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of seed 0 stands for all seeds: making each takes longer than all that is tested here."""
    load, kept = scene.load_model, {}

    def loaded(name: str, config: LoadConfig) -> Model:
        first = f"{name.rpartition('#')[0]}#0"
        return kept.get(first) or kept.setdefault(first, load(first, config))

    monkeypatch.setattr(scene, "load_model", loaded)


@pytest.mark.usefixtures("one_model")
def test_from_nothing_to_a_report_and_again_after_a_part_is_lost(tmp_path: Path) -> None:
    config, out = check(settings(FrequencyStudyConfig, yaml.safe_load(SMALL))), tmp_path / "out"
    work(config, out)
    published = publish(config, out)
    found = json.loads(published.files["results.json"])
    assert len(found["cells"]) == 3
    for cell in found["cells"]:
        assert [(b["least"], b["most"], b["n"]) for b in cell["buckets"]] == [(1, 1, 1), (3, 3, 1), (9, 9, 1),
                                                                             (27, 27, 1)]  # fmt: skip
        assert set(cell["arms"]) == ARMS
    folder = out / "cells" / "tiny" / "idk" / "seed-1"
    arms = {each["name"]: each for i in range(5) if (each := json.loads((folder / f"arm-{i}.json").read_text()))}
    starts = [each["points"][0]["measures"] for each in arms.values()]
    assert all(start == starts[0] for start in starts)  # every arm begins at the same model
    assert [point["step"] for point in arms["uniform"]["points"]] == [0, 1, 2]
    apart = arms["rare first, alpha a bucket"]
    assert apart["points"][-1]["step"] == 4  # one for each bucket, and no floor that forces an earlier one
    assert list(apart["further"]["alphas"]) == [f"bucket {i}" for i in range(1, 5)] and not apart["note"]
    assert {"report.html", "report.md"} <= set(published.files)
    (folder / "result.json").unlink()  # as if killed after two arms
    for number in range(2, 5):
        (folder / f"arm-{number}.json").unlink()
    work(config, out)
    assert json.loads(publish(config, out).files["results.json"]) == found


def test_cells_wait_for_the_rates_and_for_their_model(tmp_path: Path) -> None:
    config = check(FrequencyStudyConfig(methods=("npo",), sizes=("1M", "3M"), seeds=4))
    found = jobs(config, tmp_path)
    made = [job for job in found if job.run.endswith(":model")]
    assert [job.label for job in made] == ["model, 1M, seed 4", *(f"model, 1M, seed {i}" for i in range(4)),
                                           *(f"model, 3M, seed {i}" for i in range(3))]  # fmt: skip
    startable = lambda: {job.label for job in jobs(config, tmp_path) if ready(job, config, tmp_path)}
    assert startable() == {job.label for job in made}
    for job in made[:2]:
        write_result(job.folder, {})
    pilots = [job for job in found if job.label.startswith("pilot")]
    assert len(pilots) == 3 and startable() == {job.label for job in (*made, *pilots)}
    for job, level in zip(pilots, (0.9, 0.1, 0.5), strict=True):
        write_result(job.folder, made_up_pilot(level))
    assert "npo, 1M, seed 0" in startable() and "npo, 1M, seed 1" not in startable()
    cells = {job.label: job.values for job in jobs(config, tmp_path) if "forms" in job.values}
    assert cells["npo, 1M, seed 0"]["rate"] == 3e-4
    assert cells["npo, 1M, seed 0"]["forms"] and not cells["npo, 3M, seed 0"]["forms"]
    full = config.model_copy(update={"full": True})
    assert all(job.values["forms"] for job in jobs(full, tmp_path) if "forms" in job.values)
    assert [len(seeds_of(full, size)) for size in full.sizes] == [4, 4]  # or none would be left to test what is chosen


def made_up_pilot(level: float) -> dict:
    """One bucket beside the whole; after it the questions have this level, at no cost."""
    never = {"question": {name: {"level": 0.0, "log": -9.0} for name in ("all", "low")}}
    measures = lambda forget: {
        "question": {name: {"level": forget} for name in ("all", "low")},
        "retain, test half": {"all": {"level": 1.0}},
    }
    points = [
        {"step": step, "forget": each, "utility": 1.0, "measures": measures(each)}
        for step, each in enumerate((1.0, level))
    ]
    return {"never": never, "arm": {"points": points}}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"methods": ("nop",)}, "the study has no 'nop'. Did you mean 'npo'"),
        ({"forms": ("strenght",)}, "`forms`: the study has no 'strenght'. Did you mean 'strength'"),
        ({"suite": "wmdp:cyber"}, "name a `base`"),
        ({"base": "smollm2"}, "leave `base` out"),
        ({"seeds": 3}, "fewer than 2 are left"),
        ({"selecting": 0}, "at least one seed must choose"),
        ({"edges": (9, 3)}, "counts that rise"),
    ],
)
def test_mistakes(values: dict, says: str) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(settings(FrequencyStudyConfig, values))
