"""The whole study on the smallest world: models, cells, the report; and what may start when."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from expunge.config import FrequencyStudyConfig, LoadConfig, settings
from expunge.data.example import Sets
from expunge.errors import ExpungeError
from expunge.frequency.strata import buckets
from expunge.models.model import Model
from expunge.studies import done
from expunge.studies.frequency import outcomes, scene, unlearning
from expunge.studies.frequency.arms import formed, training
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import check, jobs, ready, seeds_of
from expunge.studies.results import write_result
from made_up_frequency_study import made

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
ALONE = ("rarest alone", "most frequent alone")
FORMS = ("margin", "rare first, alpha a bucket")


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


@pytest.fixture
def any_way_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest world knows next to nothing, and yet a form has to be chosen."""
    monkeypatch.setattr(outcomes, "LEAST_WAY", -1.0)


@pytest.fixture
def retained_for_alpha(monkeypatch: pytest.MonkeyPatch) -> list[set[str | None]]:
    """The groups of retained rows by which each α a bucket was chosen."""
    chosen: list[set[str | None]] = []
    extrapolate = unlearning.extrapolate_buckets

    def spied(model: Model, sets: Sets, *rest: Any, **more: Any) -> Any:
        chosen.append({each.group for each in sets.retain})
        return extrapolate(model, sets, *rest, **more)

    monkeypatch.setattr(unlearning, "extrapolate_buckets", spied)
    return chosen


@pytest.mark.usefixtures("one_model", "any_way_counts")
def test_from_nothing_to_a_report_and_again_after_a_part_is_lost(
    tmp_path: Path, retained_for_alpha: list[set[str | None]]
) -> None:
    config, out = check(settings(FrequencyStudyConfig, yaml.safe_load(SMALL))), tmp_path / "out"
    work(config, out)
    rehearsed = scene.scene_of(config, "tiny", 0, margin=False).sets.retain
    assert retained_for_alpha and not retained_for_alpha[0] & {each.group for each in rehearsed}
    published = publish(config, out)
    found = json.loads(published.files["results.json"])
    assert len(found["cells"]) == 3
    for cell in found["cells"]:
        assert [(b["least"], b["most"], b["n"]) for b in cell["buckets"]] == [(1, 1, 1), (3, 3, 1), (9, 9, 1),
                                                                             (27, 27, 1)]  # fmt: skip
    choosing, *testing = [set(cell["arms"]) for cell in found["cells"]]
    assert choosing == {"uniform", *ALONE, *FORMS}
    assert {"uniform", *ALONE} < testing[0] <= choosing and testing[0] == testing[1]
    (chosen,) = found["forms"]
    assert chosen["chosen"] in testing[0] and set(chosen["selecting"]) == {"uniform", *FORMS}
    folder = out / "cells" / "tiny" / "idk" / "seed-0"
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    whole = json.loads((folder / "result.json").read_text())
    arms = whole["arms"]
    start = arms["uniform"]["points"][0]["measures"]["question"]
    for name, each in arms.items():  # every arm begins at the same model; one bucket alone is asked for nothing else
        own = each["points"][0]["measures"]
        shared = {b: start[b]["log"] for b in own["question"] if b != "all"}
        assert {b: own["question"][b]["log"] for b in shared} == pytest.approx(shared, abs=1e-4)
        assert set(shared) == {"bucket 1" if name == ALONE[0] else "bucket 4"} or name not in ALONE
        assert set(own) == {"question", "statement"} or name not in ALONE
        assert ("choice" in own["question"]["all"]) is (name == "uniform")
    assert [point["step"] for point in arms["uniform"]["points"]] == [0, 1, 2]
    apart = arms["rare first, alpha a bucket"]
    assert apart["points"][-1]["step"] == 4  # one for each bucket, and no floor that forces an earlier one
    assert list(apart["further"]["alphas"]) == [f"bucket {i}" for i in range(1, 5)] and not apart["note"]
    assert {"report.html", "report.md"} <= set(published.files) and "NaN" not in published.files["results.json"]
    resumed(folder, arms)
    work(config, out)
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    again = json.loads((folder / "result.json").read_text())
    assert again["arms"]["uniform"].pop("note") == "from before"  # what was kept is not done again
    assert again["arms"]["uniform"].pop("turns") == arms["uniform"].pop("turns")
    assert arms["uniform"].pop("note") == "" and again == whole
    write_result(folder, {"name": "uniform"}, "arm-0.json")  # as if killed before what the result has was removed
    before = publish(config, out)
    work(config, out)
    assert publish(config, out).files == before.files


def resumed(folder: Path, arms: dict) -> None:
    """The folder as if killed after two arms."""
    (folder / "result.json").unlink()
    for number, (name, each) in enumerate(list(arms.items())[:2]):
        write_result(folder, {**each, "name": name, **({"note": "from before"} if not number else {})},
                     f"arm-{number}.json")  # fmt: skip


def test_simnpo_is_the_papers_in_every_form() -> None:
    """β = 0.1 and γ = β δ = 0 (arXiv:2504.05058); the objective's own β is 2.5."""
    config = FrequencyStudyConfig()
    usual = training(config, "simnpo", 1e-4, 0)
    assert usual.options == {"beta": 0.1, "delta": 0.0} and not training(config, "npo", 1e-4, 0).options
    values = (1, 3, 9, 27)
    for form in config.forms:
        assert formed(config, usual, form, buckets(values, config.edges), values).options == usual.options


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
    assert cells["npo, 1M, seed 0"]["rate"] == 1e-4
    assert cells["npo, 1M, seed 0"]["alone"] and not cells["npo, 3M, seed 0"]["alone"]
    full = config.model_copy(update={"full": True})
    every = [job.values for job in jobs(full, tmp_path) if "forms" in job.values]
    assert all(values["forms"] == list(config.forms) and values["alone"] for values in every)
    assert [len(seeds_of(full, size)) for size in full.sizes] == [4, 4]  # or none would be left to test what is chosen


def test_seeds_that_test_wait_for_the_form_and_run_no_other(tmp_path: Path) -> None:
    """The other sizes, and other methods, do not wait."""
    config = FrequencyStudyConfig(methods=("npo", "idk"), sizes=("1M", "3M"), seeds=6, further_seeds=2, rates=(1e-3,),
                                  forms=("leave", "strength"))  # fmt: skip
    for job in jobs(config, tmp_path):
        if job.run.endswith(":model"):
            write_result(job.folder, {})
    cells = lambda: {job.label: job for job in jobs(config, tmp_path) if "forms" in job.values}
    startable = lambda: {label for label, job in cells().items() if ready(job, config, tmp_path)}
    free = {f"{method}, {size}, seed {seed}" for method in config.methods for size in config.sizes for seed in (0, 1)}
    assert startable() == free
    assert cells()["npo, 1M, seed 1"].values["forms"] == ["leave", "strength"]
    assert cells()["npo, 3M, seed 1"].values["forms"] == []
    write_result(cells()["npo, 1M, seed 0"].folder, made(0))
    assert startable() == free
    write_result(cells()["npo, 1M, seed 1"].folder, made(1))
    assert startable() == free | {f"npo, 1M, seed {seed}" for seed in range(2, 6)}
    assert {tuple(cells()[f"npo, 1M, seed {seed}"].values["forms"]) for seed in range(2, 6)} == {("leave",)}


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
        ({"suite": "world:people:persons=6,frequency=true"}, "needs 4 groups of them; there are 2"),
    ],
)
def test_mistakes(values: dict, says: str) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(settings(FrequencyStudyConfig, values))
