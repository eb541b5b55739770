"""An arm's stages: which weights they train, from where they go on, what is kept, and a model that ends as it was."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from expunge.circuits.graph import graph_of
from expunge.config import CircuitsConfig, ClueStudyConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.record_circuits import Circuits
from expunge.studies.clue.arms import (
    ALL,
    CLUE,
    ELSE,
    MANY,
    NO_FIRST,
    RANDOM,
    RECOMPUTED,
    UNION,
    WHOLE_SECOND,
    schedule,
)
from expunge.studies.clue.nodes import ANOTHER, ONE, SEVERAL, found_in
from expunge.studies.clue.plan import training
from expunge.studies.clue.scene import FORGET, OTHERS, STATEMENT, TEST, Scene
from expunge.studies.clue.unlearning import run
from expunge.suites import Suite
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_sets

pytest.importorskip("pysat")
CONFIG = ClueStudyConfig(epochs=3, batch_size=2, rows=2, localizers=("saliency",), weight_decay=0.1, pairs=4, points=1)
BOTH = {"0.down": "forget", "1.q": "forget", "1.up": "conflict", "0.q": "safe"}
OTHER = {"1.v": "forget", "0.up": "conflict"}


def scene() -> Scene:
    """A tiny model that knows its facts; what it is measured on does not matter here."""
    model, sets = taught_model(), tiny_sets()
    suite = Suite("tiny", sets, utility={"geography": sets.retain, "offices": sets.retain})
    groups = dict.fromkeys((FORGET, STATEMENT, TEST, *OTHERS), sets.retain[:1])
    return Scene(model, suite, groups, sets.retain, Encoder(model.tokenizer), seed=0)


@lru_cache
def searched() -> Circuits:
    return found_in(scene(), CircuitsConfig(pairs=4, points=1, confirm=0))


def found(classes: Mapping[str, str] = BOTH, other: Mapping[str, str] = OTHER) -> dict[str, Circuits]:
    """The graph's nodes, and classes as they are said to be."""
    of = lambda some: searched().model_copy(update={"classes": dict(some)})
    return {ONE: of(classes), SEVERAL: of(other), ANOTHER: of(other)}


def settings(objective: str = "idk") -> TrainConfig:
    return training(CONFIG, objective, 1e-2, 0)


def test_each_stage_trains_its_nodes_and_nothing_else() -> None:
    there = scene()
    before = bits(there.model)
    trace = run(there, CLUE, settings(), found(), CONFIG)
    assert trace is not None
    assert_same_bits(before, bits(there.model))
    assert [point.step for point in trace.points] == [0, 2, 4, 6]
    graph = graph_of(there.model)
    first, second = (graph.mask(there.model, [n for n, c in BOTH.items() if c == w]) for w in ("forget", "conflict"))
    for mask, one, two in ((first, 0, 1), (second, 1, 3)):
        a, b = trace.weights[one], trace.weights[two]
        assert any(not torch.equal(a[name], b[name]) for name in mask)
        for name in a:
            assert torch.equal(a[name][mask.outside(name)], b[name][mask.outside(name)]), name
    with trace.change().applied_to(there.model):
        assert_same_bits(trace.weights[trace.kept], bits(there.model))
    assert_same_bits(before, bits(there.model))


def shape(arm: str, there: Scene, classes: Mapping[str, str] = BOTH) -> list[tuple[int | None, int, bool, bool]]:
    """Weights (None: all), epochs, with the retain loss, circuits again."""
    plan = schedule(arm, there, found(classes), CONFIG)
    assert plan is not None
    return [(None if s.mask is None else s.mask.weights(), s.epochs, s.retain, s.again) for s in plan.stages]


def test_schedules() -> None:
    """32 by 32 and 32 by 48 matrices."""
    there, square, wide = scene(), 32 * 32, 32 * 48
    expected = {
        CLUE: [(square + wide, 1, False, False), (wide, 2, True, False)],
        UNION: [(square + 2 * wide, 3, True, False)],
        WHOLE_SECOND: [(square + wide, 1, False, False), (None, 2, True, False)],
        NO_FIRST: [(wide, 3, True, False)],
        f"{RANDOM} 0": [(square + wide, 1, False, False), (wide, 2, True, False)],
        ALL: [(None, 3, True, False)],
        "saliency": [(square + 2 * wide, 3, True, False)],
        RECOMPUTED: [(square + wide, 1, False, False), (wide, 2, True, True)],
        MANY: [(square // 2, 1, False, False), (wide, 2, True, False)],
        ELSE: [(square // 2, 1, False, False), (wide, 2, True, False)],
    }
    assert {arm: shape(arm, there) for arm in expected} == expected


def test_a_stage_without_nodes_gives_its_epochs_away() -> None:
    there, wide = scene(), 32 * 48
    only_forget, only_conflict = {"0.down": "forget"}, {"0.down": "conflict"}
    assert shape(CLUE, there, only_forget) == [(wide, 3, False, False)]
    assert shape(CLUE, there, only_conflict) == [(wide, 3, True, False)] == shape(NO_FIRST, there, only_conflict)
    assert shape(WHOLE_SECOND, there, only_conflict) == [(None, 3, True, False)]
    assert schedule(NO_FIRST, there, found(only_forget), CONFIG) is None
    assert run(there, NO_FIRST, settings(), found(only_forget), CONFIG) is None


def test_circuits_between_the_stages_are_those_of_what_stage_1_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.errors import ConfigError
    from expunge.studies.clue import unlearning

    there = scene()
    before, seen, classes = bits(there.model), [], found()

    def anew(scene: Scene, config: CircuitsConfig) -> Circuits:
        seen.append([name for name, value in before.items() if not torch.equal(value, bits(scene.model)[name])])
        if len(seen) > 1:
            raise ConfigError("it knows none")
        return classes[ONE].model_copy(update={"classes": {"0.gate": "conflict"}})

    monkeypatch.setattr(unlearning, "found_in", anew)
    trace = run(there, RECOMPUTED, settings(), classes, CONFIG)
    assert trace is not None and trace.schedule.nodes == {"forget": ["0.down", "1.q"], "conflict": ["0.gate"]}
    assert seen == [["model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight"]]
    assert list(trace.stages[1].mask or ()) == ["model.layers.0.mlp.gate_proj.weight"]
    again = run(there, RECOMPUTED, settings(), classes, CONFIG)
    assert again is not None and "the first ones stay" in again.note
    assert list(again.stages[1].mask or ()) == ["model.layers.1.mlp.up_proj.weight"]


def test_the_loss_of_stage_1_falls_and_the_same_seed_gives_the_same_bits() -> None:
    there = scene()
    config = CONFIG.model_copy(update={"first": 2})
    traces = [run(there, CLUE, settings("gradient_ascent"), found(), config) for _ in range(2)]
    one, other = traces
    assert one is not None and other is not None
    levels = [point.forget for point in one.points[:3]]
    assert levels == sorted(levels, reverse=True) and levels[0] > levels[-1]
    assert_same_bits(one.weights[-1], other.weights[-1])
    assert [replace(p, seconds=0) for p in one.points] == [replace(p, seconds=0) for p in other.points]
