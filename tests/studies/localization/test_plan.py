"""The plan: what is run, what waits for what, and that every region has the same settings."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from expunge.config import LocalizationStudyConfig
from expunge.errors import UnknownNameError
from expunge.studies.localization.arms import ALL, LARGEST, LAST, ORACLE, Arm, arms, targets
from expunge.studies.localization.plan import check, chosen_rates, jobs, pilots, ready, training
from expunge.studies.results import write_result
from expunge.train.unlearn import train
from expunge.worlds.injection import random_region
from tiny import tiny_model, tiny_sets

DEFAULT = LocalizationStudyConfig()
UNSEEN = lambda _: {"forget": 0.5, "utility": 0.5}


def test_the_default_is_the_paper_s_two_tables() -> None:
    found = {(arm.part, arm.objective): arm.regions for arm in arms(DEFAULT)}
    randoms, localizers = ("random 0", "random 1", "random 2"), ("activations", "memflex", "wagle")
    assert found == {
        ("B", "wga"): (ORACLE, *randoms, *localizers), ("B", "npo"): (ORACLE, *randoms, *localizers),
        ("A", "wga"): (*randoms, *localizers, ALL), ("A", "npo"): (*randoms, *localizers, ALL),
    }  # fmt: skip
    assert [target.kind for target in targets(DEFAULT)] == ["planted", "trained"]


def test_in_full_there_is_more() -> None:
    found = arms(LocalizationStudyConfig(full=True))
    assert len(arms(LocalizationStudyConfig(full=True, objectives=("wga", "npo", "npo")))) == len(found)  # each once
    assert {arm.objective for arm in found} == {"wga", "npo", "dpo", LAST, "mlp_regression"}
    assert {arm.target.granularity for arm in found} == {"value_vectors", "heads", "rows", "matrices"}
    assert {arm.target.suite for arm in found} == {"world:people", "world:people:layout=gpt2"}
    assert {arm.target.budget for arm in found} == {0.01, 0.05, 0.1, 0.25, 0.49}
    assert any(LARGEST in arm.regions and arm.target.kind == "injected" for arm in found)
    assert len({arm.place(Path(), 0) for arm in found}) == len(found)
    assert all(Arm.from_json(arm.as_json()) == arm for arm in found)


def test_no_two_targets_at_once_start_from_one_model(tmp_path: Path) -> None:
    made = [job for job in jobs(DEFAULT, tmp_path) if job.run.endswith(":make")]
    assert len({job.folder for job in made}) == len(made) == 2 * (DEFAULT.seeds + 1)
    assert all(one.values["seed"] != other.values["seed"] for one, other in pairwise(made))


def test_localizers_look_in_planted_heads_only_in_full(tmp_path: Path) -> None:
    def places(config: LocalizationStudyConfig) -> set[str]:
        found = [job for job in jobs(config, tmp_path) if job.run.endswith(":recall")]
        assert len({job.folder for job in found}) == len(found)
        return {job.values["target"]["granularity"] for job in found}

    assert places(DEFAULT) == {"value_vectors"}
    assert places(LocalizationStudyConfig(full=True)) == {"value_vectors", "heads"}
    assert places(LocalizationStudyConfig(granularity="heads")) == {"heads"}
    assert places(LocalizationStudyConfig(parts=("A",))) == set()


def test_what_waits_for_what(tmp_path: Path) -> None:
    config = LocalizationStudyConfig(seeds=2, rates=(1e-3, 1e-2), whole_rates=(1e-4,), objectives=("npo",))
    first = [job for job in jobs(config, tmp_path) if ready(job, config, tmp_path)]
    assert all(job.run.endswith("target:make") for job in first)
    assert len(first) == 5  # two kinds, two seeds, and the pilot's planted one: all weights have a single rate
    for job in first:
        write_result(job.folder, {})
    now = [job for job in jobs(config, tmp_path) if ready(job, config, tmp_path) and job not in first]
    assert {job.run.split(":")[1] for job in now} == {"pilot", "recall"}
    pilot = [job for job in now if job.run.endswith(":pilot")]
    assert {job.values["seed"] for job in pilot} == {2}  # no result has it
    for job, aues in zip(pilot, (0.2, 0.5), strict=True):
        write_result(job.folder, {"aues": aues})
    assert chosen_rates(config, tmp_path) == {("npo", "region"): 1e-2, ("npo", "whole"): 1e-4}
    rest = [job for job in jobs(config, tmp_path) if job.run.endswith(":regions")]
    assert all(ready(job, config, tmp_path) for job in rest)
    assert {(job.values["rate"], job.values["whole_rate"]) for job in rest} == {(1e-2, 1e-4)}
    assert len(rest) == 4


def test_among_equal_rates_the_first(tmp_path: Path) -> None:
    config = LocalizationStudyConfig(objectives=("npo",), parts=("B",))
    for pilot in pilots(config):
        write_result(pilot.place(tmp_path), {"aues": 0.5})
    assert chosen_rates(config, tmp_path) == {("npo", "region"): 3e-3, ("npo", "whole"): 3e-4}


def test_a_trial_that_diverged_is_chosen_only_where_all_did(tmp_path: Path) -> None:
    config = LocalizationStudyConfig(objectives=("npo", "wga"), parts=("B",))
    first, *rest = config.rates
    for pilot in pilots(config):
        early = pilot.rate == first or pilot.objective == "wga"
        write_result(pilot.place(tmp_path), {"aues": 10 * pilot.rate if not early else 0.9, "note": "nan" * early})
    found = chosen_rates(config, tmp_path)
    assert found is not None
    assert (found["npo", "region"], found["wga", "region"]) == (max(rest), first)


def test_rmu_in_full_reaches_every_block() -> None:
    """Read after the last block, the loss has a gradient in the value vectors of all of them; after the first, not."""
    model, sets = tiny_model(), replace(tiny_sets(), holdout=())
    known = random_region(model, 0.5, seed=0)
    plain = DEFAULT.model_copy(update={"steps": 2, "evaluations": 1, "batch_size": 2, "weight_decay": 0.0})
    moved = {
        name: set(train(model, sets, training(plain, name, 1e-2, 0), mask=known, watch=UNSEEN).change.names)
        for name in (LAST, "rmu")
    }  # fmt: skip
    assert moved[LAST] == set(known) and len(known) == model.layout.depth
    assert moved["rmu"] == {model.layout.value_vectors(0).parameter}


@pytest.mark.parametrize("objective", ["npo", "wga", "dpo", "rmu", LAST, "mlp_regression"])
def test_settings_of_an_unlearning(objective: str) -> None:
    config = training(DEFAULT, objective, 1e-3, 4, named=True)
    assert (config.max_steps, config.eval_every, config.seed, config.weight_decay) == (100, 10, 4, 0.01)
    assert config.retain_loss == {"rmu": "hidden", LAST: "hidden", "mlp_regression": "mlp_regression"}.get(
        objective, "nll"
    )


def test_names_that_there_are_not() -> None:
    with pytest.raises(UnknownNameError, match="wagle"):
        check(LocalizationStudyConfig(localizers=("waggle",)))
    with pytest.raises(UnknownNameError, match="no suite"):
        check(LocalizationStudyConfig(suite="tofuu"))
