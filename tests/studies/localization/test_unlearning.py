"""One unlearning of the study on a tiny model: what it records, and that nothing is left changed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.config import LocalizationStudyConfig
from expunge.data.convention import Encoder
from expunge.localize.overlap import overlap
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.studies.localization.arms import ALL, ORACLE, Target
from expunge.studies.localization.measures import Measures
from expunge.studies.localization.plan import training
from expunge.studies.localization.regions import largest_changes, mask_of
from expunge.studies.localization.unlearning import Scene, _Curve, unlearnt
from expunge.suites import Suite
from expunge.worlds.injection import random_region
from steps import assert_same_bits, bits
from tiny import tiny_model, tiny_sets

CONFIG = LocalizationStudyConfig(steps=6, evaluations=3, rows=4, batch_size=2, weight_decay=0.3, budget=0.25)
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
    assert found["quality"][0] == {
        "point": 0,
        "MU": where.start["target"]["MU"],
        "log10_p": found["quality"][0]["log10_p"],
    }
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

    from expunge.train.unlearn import train

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
        assert mask is not None
        assert not len(mask & known)
        assert mask.weights() == known.weights()
        assert overlap(mask, known) == {"recall": 0.0, "precision": 0.0}
    assert masks[0] != masks[1] != masks[2]
    assert mask_of(ALL, where.model, TARGET, where.suite, where.encoder, 0, known) is None


def test_the_same_seed_gives_the_same_result() -> None:
    known = random_region(tiny_model(), 0.25, seed=0)
    one, two = (
        unlearnt(scene(known), "random 0", training(CONFIG, "npo", 1e-2, 0), quality=False)["points"] for _ in range(2)
    )
    assert one == two


def test_largest_changes_are_where_the_models_differ() -> None:
    never, model = tiny_model(), tiny_model()
    known = random_region(never, 0.25, seed=3)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            parameter.add_(known.inside(name) * 0.1)
    assert largest_changes(model, never, TARGET) == known


def test_a_pilot_job_writes_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.studies.localization import unlearning
    from expunge.studies.running import read_result

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
    from expunge.studies.running import read_result, write_result

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
