"""Shares of the forget set: what is drawn, for how many steps, and what is told of each arm."""

from dataclasses import replace

import pytest

from expunge.config import ClueStudyConfig
from expunge.errors import ConfigError
from expunge.studies.clue import ratios
from expunge.studies.clue.arms import ALL, BY_RATIO, CLUE
from expunge.studies.clue.plan import training
from expunge.studies.clue.ratios import as_often, longer, of_share, part_of
from expunge.studies.clue.scene import FORGET, REST, REWORDED
from steps import assert_same_bits, bits
from studies.clue.clue_scene import scene

pytest.importorskip("pysat")
CONFIG = ClueStudyConfig(epochs=2, batch_size=2, rows=2, localizers=(), pairs=4, points=1, draws=1)


def test_whole_groups_are_drawn_and_the_rest_stands_beside_them() -> None:
    """Two persons of two facts each."""
    there = scene()
    sets = replace(there.sets, forget=tuple(replace(e, group="ab"[i // 2]) for i, e in enumerate(there.sets.forget)))
    there = replace(there, sets=sets)
    part = part_of(there, CONFIG, 0.5)
    assert len({each.group for each in part.sets.forget}) == 1 and len(part.sets.forget) == 2
    assert {e.id for e in part.groups[FORGET]} == {e.id for e in part.sets.forget}
    assert {e.id for e in part.groups[REST]} == {e.id for e in sets.forget} - {e.id for e in part.sets.forget}
    assert REWORDED not in part.groups and part.sets.retain == sets.retain and part.model is there.model
    assert len(part_of(there, CONFIG, 0.01).sets.forget) == 2  # one group at least
    drawn = {tuple(e.id for e in part_of(replace(there, seed=seed), CONFIG, 0.5).sets.forget) for seed in range(9)}
    assert len(drawn) == 2


def test_a_share_has_the_steps_of_the_whole() -> None:
    """160 rows are 10 steps an epoch; 16 rows are one, 40 are three."""
    study = ClueStudyConfig()
    for part, epochs, first in ((16, 60, 10), (40, 20, 3), (160, 6, 1)):
        longer_by = longer(study, 160, part)
        assert (longer_by.epochs, longer_by.first) == (epochs, first)
    settings = training(study, "idk", 1e-3, 0)
    assert as_often(settings, 160).eval_every == 10


def test_every_arm_of_a_share_is_told_and_the_model_is_left_alone() -> None:
    there = scene()
    before = bits(there.model)
    part = part_of(there, CONFIG, 0.5)
    result = of_share(part, there, CONFIG, "matrices", "idk", dict.fromkeys(BY_RATIO, 1e-2))
    assert_same_bits(before, bits(there.model))
    assert result["rows"] == 2 and result["epochs"] == 4 and set(result["arms"]) == set(BY_RATIO)
    points = result["arms"][ALL]["points"]
    assert [point["step"] for point in points] == [0, 2, 4]  # as many, and as often measured, as the whole
    assert REST in points[-1]["measures"] and result["arms"][CLUE]["share"] < 1


def test_a_share_without_a_circuit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise ConfigError("it knows none")

    monkeypatch.setattr(ratios, "found_in", none)
    there = scene()
    result = of_share(part_of(there, CONFIG, 0.5), there, CONFIG, "matrices", "idk", {})
    assert result == {"rows": 2, "absent": "it knows none", "arms": {}}
