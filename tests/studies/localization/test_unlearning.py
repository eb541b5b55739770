"""One unlearning of the study on a tiny model: what it records, and that nothing is left changed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.config import LocalizationStudyConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.evaluate.forget_quality import forget_quality
from expunge.localize.overlap import overlap
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.studies.localization.arms import ALL, ORACLE, Target
from expunge.studies.localization.measures import Measures
from expunge.studies.localization.plan import training
from expunge.studies.localization.regions import largest_changes, mask_of
from expunge.studies.localization.unlearning import Scene, _Curve, unlearnt
from expunge.suites import Suite
from expunge.train.unlearn import train
from expunge.worlds.injection import random_region
from steps import assert_same_bits, bits
from tiny import tiny_model, tiny_sets

CONFIG = LocalizationStudyConfig(steps=6, evaluations=3, rows=4, batch_size=2, weight_decay=0.3, budget=0.25)
UNSEEN = lambda _: {"forget": 0.5, "utility": 0.5}
TARGET = Target("planted", "tiny", 0.25, "value_vectors")


def sets_with_wrong_answers() -> Suite:
    sets = tiny_sets()
    wrong = {name: tuple(replace(e, perturbed_answers=("jarrow", "ripon")) for e in getattr(sets, name))
             for name in ("forget", "retain")}  # fmt: skip
    return Suite("tiny", replace(sets, **wrong, holdout=()))


def scene(known: Mask | None = None, model: Model | None = None) -> Scene:
    model = model or tiny_model()
    suite, encoder = sets_with_wrong_answers(), Encoder((model or tiny_model()).tokenizer)
    measures = Measures.of(suite, encoder, CONFIG, 0)
    start = {"target": {"MU": measures.utility(model)}, "truth_ratios": measures.truth_ratios(tiny_model(seed=1))}
    return Scene(CONFIG, TARGET, 0, suite, model, encoder, measures, known, start)


@pytest.mark.parametrize("objective", ["npo", "wga", "dpo", "rmu:layer=0"])
def test_points_and_quality_and_the_same_bits_afterwards(objective: str) -> None:
    known = random_region(tiny_model(), 0.25, seed=0)
    where = scene(known)
    before = bits(where.model)
    found = unlearnt(where, ORACLE, training(CONFIG, objective, 1e-2, 0), quality=True, further=True)
    assert_same_bits(bits(where.model), before)
    assert len(found["points"]) == 4  # the start and three more
    assert 0 <= found["aues"] <= 1
    first = found["quality"][0]
    assert (first["point"], first["MU"]) == (0, where.start["target"]["MU"])
    asked = forget_quality(where.measures.truth_ratios(where.model), where.start["truth_ratios"])
    assert first["log10_p"] == asked.log10_p < 0
    assert [each["point"] for each in found["quality"]] == [0, 1, 2, 3]
    assert ("mu95" in found) != ("mu95_absent" in found)
    assert set(found["further"]) == {"relearnt", "rounded"}
    assert found["weights"] == known.weights()
    assert "recall" not in found  # the oracle is the region: nothing to find


def test_only_the_region_moves_on_the_way() -> None:
    """At every point, weight decay and all."""
    known = random_region(tiny_model(), 0.25, seed=0)
    where = scene(known)
    before = {name: p.detach().clone() for name, p in where.model.network.named_parameters()}
    curve = _Curve(where, known, keeps=True)
    moved: list[int] = []

    def watch(step: int) -> dict[str, float | None]:
        said = curve.watch(step)
        differs = {n: p.detach() != before[n] for n, p in where.model.network.named_parameters()}
        assert not any(bool((d & known.outside(n)).any()) for n, d in differs.items())
        moved.append(sum(int(d.sum()) for d in differs.values()))
        return said

    train(where.model, where.suite.sets, training(CONFIG, "npo", 1e-2, 0), mask=known, watch=watch)
    assert moved[0] == 0
    assert moved[-1] > 0
    curve.at(3)
    assert any(bool((p.detach() != before[n]).any()) for n, p in where.model.network.named_parameters())
    curve.at(0)
    assert_same_bits(bits(where.model), dict(bits(tiny_model()).items()))


def test_random_regions_are_disjoint_from_the_known_one_and_as_large() -> None:
    known = random_region(tiny_model(), 0.25, seed=0)
    where = scene(known)
    masks = [mask_of(f"random {i}", where.model, TARGET, where.suite, where.encoder, 0, known) for i in range(3)]
    for mask in masks:
        assert not len(mask & known)
        assert mask.weights() == known.weights()
        assert overlap(mask, known) == {"recall": 0.0, "precision": 0.0}
    assert masks[0] != masks[1] != masks[2]


@pytest.mark.parametrize("granularity", ["rows", "matrices", "heads"])
@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_random_regions_are_as_large_where_units_are_not(granularity: str, arch: str) -> None:
    """Rows and matrices are of several sizes; heads share keys and values, which count only where all are chosen."""
    where = scene(model=tiny_model(arch=arch))
    target = replace(TARGET, granularity=granularity)
    units = units_of(where.model, granularity)
    seen = set()
    for seed in range(6):
        known = random_region(where.model, 0.25, seed, granularity=granularity)
        mask = mask_of("random 0", where.model, target, where.suite, where.encoder, seed, known)
        assert not len(mask & known)
        assert mask.weights() == known.weights()
        assert int(units.inside(mask).sum()) == int(units.inside(known).sum())
        seen.add(known.weights())
    assert len(seen) > 1 or granularity == "heads"  # else the sizes would be equal by themselves


def test_a_known_region_that_leaves_too_little() -> None:
    where = scene()
    known = ~random_region(where.model, 0.25, 0, granularity="matrices")
    with pytest.raises(ConfigError, match="lower the budget"):
        mask_of("random 0", where.model, replace(TARGET, granularity="matrices"), where.suite, where.encoder, 0, known)


def test_all_weights_are_all_also_for_a_method_that_trains_a_few() -> None:
    where = scene()
    settings = training(CONFIG, "rmu:layer=1.0", 1e-2, 0).model_copy(update={"weight_decay": 0.0})
    few = train(where.model, where.suite.sets, settings, watch=UNSEEN).change.names
    mask = mask_of(ALL, where.model, TARGET, where.suite, where.encoder, 0, None)
    every = train(where.model, where.suite.sets, settings, mask=mask, watch=UNSEEN).change.names
    assert set(few) < set(every)
    assert {name for name, _ in where.model.network.named_parameters()} - set(every) == {"model.norm.weight"}
    known = random_region(where.model, 0.25, seed=0)
    found = unlearnt(scene(known), ALL, settings, quality=False)
    assert found["weights"] == sum(p.numel() for p in where.model.network.parameters())
    assert "recall" not in found  # whoever takes everything has found nothing


@pytest.mark.parametrize(
    ("utility", "measured", "best", "crossing"),
    [
        ([0.97, 0.93, 0.90, 0.96], [0, 1, 2, 4], -16, -18.5),  # back after a dip: its FQ counts
        ([0.93, 0.97, 0.90, 0.99], [0, 1, 2, 4], -16, -19.286),  # below at the first point, and back
        ([0.97, 0.96, 0.95, 0.99], [0, 1, 2, 3, 4], None, "no checkpoint falls below"),
        ([0.93, 0.90, 0.10, 0.94], [0, 1], None, "only the start"),  # below for good
    ],
)  # fmt: skip
def test_quality_of_known_utilities(
    monkeypatch: pytest.MonkeyPatch, utility: list[float], measured: list[int], best: float | None, crossing: object
) -> None:
    """MU is 1 at the start; FQ is -20 there and rises by 1 from point to point."""
    where = scene()
    where.start["target"]["MU"] = 1.0
    curve = _Curve(where, Mask.everything(where.model.network), keeps=True)
    for step in range(5):
        curve.watch(step)
    values = iter([*utility, *utility])
    monkeypatch.setattr(Measures, "utility", lambda *_: next(values))
    monkeypatch.setattr(_Curve, "_log_p", lambda _, number: number - 20.0)
    found = curve.quality()
    assert [each["MU"] for each in found["quality"]] == [1.0, *utility]
    assert [each["point"] for each in found["quality"] if "log10_p" in each] == measured
    if best is None:
        assert crossing in found["mu95_absent"] and "mu95" not in found
        assert curve.quality("step 3: nan")["mu95_absent"] == "the run diverged"
    else:
        assert found["mu95"]["best"] == best
        assert found["mu95"]["crossing"] == pytest.approx(crossing, abs=0.001)


def test_the_same_seed_gives_the_same_result() -> None:
    known = random_region(tiny_model(), 0.25, seed=0)
    one, two = (
        unlearnt(scene(known), "random 0", training(CONFIG, "npo", 1e-2, 0), quality=False)["points"] for _ in range(2)
    )
    assert one == two


def test_how_near_the_regression_came_is_kept() -> None:
    """The first step's loss is that of the start, whatever the region; where there is nothing to regress it is 0."""
    never, model = tiny_model(), tiny_model()
    known = random_region(never, 0.25, seed=3)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            parameter.add_(known.inside(name) * 0.1)
    where = replace(scene(known, model), never=never)
    each = CONFIG.model_copy(update={"evaluations": CONFIG.steps})  # a point after each step
    settings = training(each, "mlp_regression", 1e-2, 0)
    oracle, beside = (unlearnt(where, name, settings, quality=False)["points"] for name in (ORACLE, "random 0"))
    assert oracle[0]["loss"] is None and len(oracle) == CONFIG.steps + 1
    assert oracle[1]["loss"] == beside[1]["loss"] > 0 and oracle[1]["retain_loss"] == beside[1]["retain_loss"] > 0
    assert oracle[2]["loss"] != beside[2]["loss"]
    gone = unlearnt(replace(scene(known), never=never), ORACLE, settings, quality=False)["points"]
    assert (gone[1]["loss"], gone[1]["retain_loss"]) == (0, 0)  # afterwards decay moves the weights


def test_largest_changes_are_where_the_models_differ() -> None:
    never, model = tiny_model(), tiny_model()
    known = random_region(never, 0.25, seed=3)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            parameter.add_(known.inside(name) * 0.1)
    assert largest_changes(model, never, TARGET) == known


def test_a_pilot_job_writes_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.studies.localization import unlearning
    from expunge.studies.results import read_result

    where = scene(random_region(tiny_model(), 0.25, seed=0))
    monkeypatch.setattr(unlearning.Scene, "of", staticmethod(lambda *_, **__: where))
    unlearning.pilot(
        tmp_path / "pilot", config=CONFIG.model_dump(mode="json"), target=vars(TARGET), seed=0, objective="npo",
        rate=1e-3, region="random 0", target_folder="none",
    )  # fmt: skip
    found = read_result(tmp_path / "pilot")
    assert found is not None
    assert found["rate"] == 1e-3


def test_regions_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.studies.localization import unlearning
    from expunge.studies.localization.arms import Arm
    from expunge.studies.results import read_result, write_result

    where = scene(random_region(tiny_model(), 0.25, seed=0))
    monkeypatch.setattr(unlearning.Scene, "of", staticmethod(lambda *_, **__: where))
    monkeypatch.setattr(unlearning, "unlearnt", lambda scene, name, *_, **__: {"region": name})
    write_result(tmp_path, {"region": "made before"}, "oracle.json")
    arm = Arm("B", TARGET, "npo", (ORACLE, "random 0"))
    unlearning.regions(tmp_path, config=CONFIG.model_dump(mode="json"), arm=arm.as_json(), seed=0, rate=1e-2,
                       whole_rate=None, target_folder="none")  # fmt: skip
    found = read_result(tmp_path)
    assert found is not None
    assert found["regions"] == {"oracle": {"region": "made before"}, "random 0": {"region": "random 0"}}
