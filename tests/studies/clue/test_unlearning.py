"""An arm's stages: which weights they train, from where they go on, what is kept, and a model that ends as it was."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from expunge.circuits.graph import graph_of
from expunge.config import CircuitsConfig, ClueStudyConfig, FinetuneConfig, TrainConfig
from expunge.record_circuits import Circuits
from expunge.studies.clue import tracing
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
    arms,
    circuits_for,
    localizer,
    schedule,
    twin_of,
)
from expunge.studies.clue.measures import measured
from expunge.studies.clue.nodes import ANOTHER, ONE, SEVERAL, found_in
from expunge.studies.clue.plan import training
from expunge.studies.clue.scene import FORGET, TEST, Scene
from expunge.studies.clue.tracing import Start, Trace
from expunge.studies.clue.tracing import run as run_plan
from expunge.studies.clue.unlearning import told
from steps import assert_same_bits, bits
from studies.clue.clue_scene import scene

pytest.importorskip("pysat")
CONFIG = ClueStudyConfig(epochs=3, batch_size=2, rows=2, localizers=("saliency",), weight_decay=0.1, pairs=4, points=1)
BOTH = {"0.down": "forget", "1.q": "forget", "1.up": "conflict", "0.q": "safe"}
OTHER = {"1.v": "forget", "0.up": "conflict"}


@lru_cache
def searched() -> Circuits:
    return found_in(scene(), CircuitsConfig(pairs=4, points=1, confirm=0))


def found(classes: Mapping[str, str] = BOTH, other: Mapping[str, str] = OTHER) -> dict[str, Circuits]:
    """The graph's nodes, and classes as they are said to be."""
    of = lambda some: searched().model_copy(update={"classes": dict(some)})
    return {ONE: of(classes), SEVERAL: of(other), ANOTHER: of(other)}


def run(
    scene: Scene, arm: str, settings: TrainConfig, found: Mapping[str, Circuits], config: ClueStudyConfig,
    *, measures: bool = True,
) -> Trace:  # fmt: skip
    plan = schedule(arm, scene, found, config)
    assert plan is not None
    return run_plan(scene, plan, settings, config, "matrices", Start.of(scene, measures=measures))


def settings(objective: str = "idk") -> TrainConfig:
    return training(CONFIG, objective, 1e-2, 0)


def test_each_stage_trains_its_nodes_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stage by stage: what a training gives back is applied before the next one."""
    there, stages = scene(), []
    before, train = bits(there.model), tracing.train
    monkeypatch.setattr(tracing, "train", lambda *a, **k: stages.append(train(*a, **k)) or stages[-1])
    trace = run(there, CLUE, settings(), found(), CONFIG)
    assert_same_bits(before, bits(there.model))
    assert [point.step for point in trace.points] == [0, 2, 4, 6] and len(stages) == 2
    graph = graph_of(there.model)
    for which, stage in zip(("forget", "conflict"), stages):
        mask, a = graph.mask(there.model, [n for n, c in BOTH.items() if c == which]), bits(there.model)
        stage.change.apply_to(there.model)
        b = bits(there.model)
        assert any(not torch.equal(a[name], b[name]) for name in mask)
        for name in a:
            assert torch.equal(a[name][mask.outside(name)], b[name][mask.outside(name)]), name


def test_the_weights_of_the_kept_and_of_the_last_point_are_there() -> None:
    there = scene()
    before = bits(there.model)
    trace = run(there, CLUE, settings(), found(), CONFIG)
    assert set(trace.weights) == {trace.kept, 3} and not set(trace.weights) - {0, 1, 2, 3}
    with trace.change().applied_to(there.model):
        assert_same_bits(trace.weights[trace.kept], bits(there.model))
        assert there.level(there.sets.forget) == pytest.approx(trace.points[trace.kept].forget)
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
    absent = told(there, NO_FIRST, settings(), found(only_forget), CONFIG, "matrices", Start.of(there))
    assert absent == {"arm": NO_FIRST, "absent": "it has no nodes to train"}


def test_circuits_between_the_stages_are_those_of_what_stage_1_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.errors import ConfigError

    there = scene()
    before, seen, classes = bits(there.model), [], found()

    def anew(scene: Scene, config: CircuitsConfig) -> Circuits:
        seen.append([name for name, value in before.items() if not torch.equal(value, bits(scene.model)[name])])
        if len(seen) > 1:
            raise ConfigError("it knows none")
        return classes[ONE].model_copy(update={"classes": {"0.gate": "conflict"}})

    monkeypatch.setattr(tracing, "found_in", anew)
    trace = run(there, RECOMPUTED, settings(), classes, CONFIG)
    assert trace.schedule.nodes == {"forget": ["0.down", "1.q"], "conflict": ["0.gate"]}
    assert seen == [["model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight"]]
    assert list(trace.stages[1].mask or ()) == ["model.layers.0.mlp.gate_proj.weight"]
    again = run(there, RECOMPUTED, settings(), classes, CONFIG)
    assert "the first ones stay" in again.note
    assert list(again.stages[1].mask or ()) == ["model.layers.1.mlp.up_proj.weight"]
    monkeypatch.setattr(tracing, "found_in", lambda *_: classes[ONE].model_copy(update={"classes": {}}))
    on = run(there, RECOMPUTED, settings(), classes, CONFIG)
    assert "stage 1, which goes on" in on.note and len(on.points) == 4 and not on.stages[1].retain
    assert on.stages[1].mask is on.stages[0].mask


def test_the_loss_of_stage_1_falls_and_the_same_seed_gives_the_same_bits() -> None:
    there = scene()
    config = CONFIG.model_copy(update={"first": 2})
    traces = [run(there, CLUE, settings("gradient_ascent"), found(), config) for _ in range(2)]
    one, other = traces
    levels = [point.forget for point in one.points[:3]]
    assert levels == sorted(levels, reverse=True) and levels[0] > levels[-1]
    assert_same_bits(one.weights[3], other.weights[3])
    assert [replace(p, seconds=0) for p in one.points] == [replace(p, seconds=0) for p in other.points]


def test_all_groups_are_measured_at_the_start_the_kept_and_the_last_point_only() -> None:
    there = scene()
    trace = run(there, CLUE, settings(), found(), CONFIG)
    seen = lambda: [set(each) for each in trace.measures]
    every, some = set(there.groups), {FORGET, TEST}
    assert seen() == [every, some, some, some]
    before = bits(there.model)
    trace.complete()
    assert_same_bits(before, bits(there.model))
    wanted = {0, trace.kept, 3}
    assert seen() == [every if i in wanted else some for i in range(4)]
    with trace.change(3).applied_to(there.model):
        assert trace.measures[3] == measured(there)


def test_a_pilot_measures_levels_alone_and_comes_to_the_same() -> None:
    there = scene()
    pilot, cell = (run(there, CLUE, settings(), found(), CONFIG, measures=m) for m in (False, True))
    assert pilot.measures == [{}] * 4 and pilot.loss() == cell.loss()
    assert [(p.step, p.forget, p.utility) for p in pilot.points] == [(p.step, p.forget, p.utility) for p in cell.points]
    assert cell.points[0].forget == there.level(there.sets.forget)


def test_what_is_told_of_an_arm() -> None:
    there = scene()
    config = CONFIG.model_copy(update={"unrelated": 2, "relearn": FinetuneConfig(epochs=1)})
    before, start = bits(there.model), Start.of(there)
    result = told(there, CLUE, settings(), found(), config, "matrices", start)
    assert_same_bits(before, bits(there.model))
    assert result["stages"] == [{"epochs": 1, "weights": 32 * 80}, {"epochs": 2, "weights": 32 * 48}]
    total = sum(each.numel() for each in before.values())
    assert result["share"] == 32 * 128 / total and 0 < result["changed"] <= result["share"]
    assert {"said", "membership", "relearnt", "unrelated", "moved"} < set(result)
    assert "moved" not in told(there, UNION, settings(), found(), config, "matrices", start)
    absent = told(there, ELSE, settings(), {ONE: found()[ONE]}, config, "matrices", start)
    assert absent["absent"] == "its circuits were not found"


@pytest.mark.parametrize(
    ("name", "granularity"), [("saliency", "weights"), ("memflex", "rows"), ("wagle:granularity=rows", "rows")]
)
def test_localizers_choose_as_many_weights_as_both_classes_have(name: str, granularity: str) -> None:
    """Exactly as many single weights; of whole rows as many as fit."""
    there, config = scene(), CONFIG.model_copy(update={"localizers": (name,)})
    plan = schedule(name, there, found(), config)
    assert plan is not None and plan.stages[0].mask is not None
    both, weights = 32 * 32 + 2 * 32 * 48, plan.stages[0].mask.weights()
    assert localizer(name, 0.1, 0).granularity == granularity
    assert both - (0 if granularity == "weights" else 48) <= weights <= both


def test_arms_that_train_the_same_are_run_once() -> None:
    assert [twin_of(arm, found()) for arm in (UNION, NO_FIRST, RECOMPUTED, WHOLE_SECOND)] == [None] * 4
    only_conflict = found({"0.down": "conflict"})
    twins = {arm: twin_of(arm, only_conflict) for arm in arms(ClueStudyConfig(draws=1, localizers=("memflex",)))}
    assert {arm: twin for arm, twin in twins.items() if twin} == {
        UNION: CLUE, NO_FIRST: CLUE, RECOMPUTED: CLUE, WHOLE_SECOND: ALL,
    }  # fmt: skip
    there = scene()
    for arm, twin in ((UNION, CLUE), (NO_FIRST, CLUE), (RECOMPUTED, CLUE), (WHOLE_SECOND, ALL)):
        one, other = (schedule(each, there, only_conflict, CONFIG) for each in (arm, twin))
        assert one and other and one.stages == other.stages


def test_arms_that_are_wanted() -> None:
    config = ClueStudyConfig(arms=("random nodes", "memflex", "all weights"), draws=2)
    assert arms(config) == [CLUE, "random nodes 0", "random nodes 1", ALL, "memflex"]
    assert arms(config, "npo") == [CLUE, "random nodes 0", "random nodes 1", ALL] == arms(config, "gradient_ascent")
    assert arms(config.model_copy(update={"full": True}), "npo") == arms(config) == arms(config, "idk")
    assert circuits_for(config) == [ONE] and circuits_for(ClueStudyConfig()) == [ONE, SEVERAL, ANOTHER]
