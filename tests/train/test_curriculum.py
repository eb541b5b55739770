"""Curricula by hand: which bucket each step draws from, at which rate, and what is no curriculum."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from expunge.config import CurriculumConfig, TrainConfig, settings
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError, DataError
from expunge.runs.unlearn import check_method
from expunge.train.curriculum import Curriculum, phases_of
from expunge.train.unlearn import train
from steps import recorded, unequal_sets
from steps import settings as steps_of
from tiny import tiny_model

COUNTS = (1, 30, 1, 30, 1, 9, 1, 9, 30)
ROWS = [Example(str(i), "p", "a", count=c, source=f"f.jsonl:{i + 1}") for i, c in enumerate(COUNTS)]


def plan(batch: int = 2, **values: Any) -> Curriculum:
    config = CurriculumConfig(**{"at_least": 2, **values})
    return Curriculum(9, 5, batch, batch, 0, phases=phases_of(ROWS, config, 4), mixed=config.order == "mixed")


def test_bucket_after_bucket() -> None:
    """Tertiles: 4 of count 1, 2 of 9, 3 of 30; with 1, 2 and 3 epochs of 2, 1 and 2 steps."""
    made = plan(epochs=(1, 2, 3), rates=(1, 0.5, 2))
    assert [(p.bucket.name, p.epochs, p.rate) for p in made.phases] == [("low", 1, 1), ("medium", 2, 0.5),
                                                                       ("high", 3, 2)]  # fmt: skip
    assert (made.steps, made.ends) == (10, (2, 4, 10))
    counts = [{COUNTS[i] for i in made.forget_at(step)} for step in range(10)]
    assert counts == [{1}] * 2 + [{9}] * 2 + [{30}] * 6
    assert [made.rate_at(step) for step in range(10)] == [1] * 2 + [0.5] * 2 + [2] * 6
    seen = Counter(i for step in range(10) for i in made.forget_at(step))
    assert seen == {i: {1: 1, 9: 2, 30: 3}[count] for i, count in enumerate(COUNTS)}
    assert {len(made.retain_at(step)) for step in range(10)} == {2}


def test_frequent_first_has_the_same_buckets_the_other_way_round() -> None:
    made = plan(order="frequent-first", epochs=(1, 2, 3))
    assert [p.bucket.name for p in made.phases] == ["high", "medium", "low"]
    assert [p.epochs for p in made.phases] == [3, 2, 1]  # lists go from rare to frequent, whatever the order


def test_mixed_spreads_each_bucket_over_the_run() -> None:
    made = plan(order="mixed", epochs=(1, 2, 3), rates=(1, 0.5, 2))
    assert (made.steps, made.ends) == (10, ())
    rates = [made.rate_at(step) for step in range(10)]
    assert Counter(rates) == {1: 2, 0.5: 2, 2: 6}
    half = rates[:5]
    assert Counter(half) == {1: 1, 0.5: 1, 2: 3}
    seen = Counter(i for step in range(10) for i in made.forget_at(step))
    assert seen == {i: {1: 1, 9: 2, 30: 3}[count] for i, count in enumerate(COUNTS)}


def test_edges_and_defaults() -> None:
    made = plan(edges=(9,))
    assert [(len(p.bucket.rows), p.epochs, p.rate) for p in made.phases] == [(4, 4, 1.0), (5, 4, 1.0)]
    text = settings(TrainConfig, {"curriculum": "rare-first:epochs=2/3,edges=9,rates=1/0.5"}).curriculum
    assert text == CurriculumConfig(epochs=(2, 3), edges=(9,), rates=(1.0, 0.5))


@pytest.mark.parametrize(("values", "said"), [
    ({"at_least": 3}, "bucket 'medium' has 2 examples, fewer than `at_least`"),
    ({"edges": (100,)}, "give one bucket"),
    ({"epochs": (1, 2)}, r"names 2 buckets, .* give 3: low \(1\): 4, medium \(9\): 2, high \(30\): 3"),
    ({"rates": (1, 2, 3, 4)}, "`curriculum.rates` names 4"),
])  # fmt: skip
def test_buckets_that_are_not_what_was_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(**values)


def test_every_example_needs_a_count() -> None:
    with pytest.raises(DataError, match=r"1 of 10 forget examples have no `count` \(the first is g.jsonl:1\)"):
        phases_of([*ROWS, replace(ROWS[0], count=None, source="g.jsonl:1")], CurriculumConfig(), 1)


@pytest.mark.parametrize(("values", "said"), [
    ({"curriculum": {}, "max_steps": 3}, "leave `max_steps` out"),
    ({"curriculum": {"edges": [9, 3]}}, "counts that rise"),
    ({"curriculum": {"edges": [0.5]}}, "whole numbers from 1"),
    ({"extrapolate": "nearest:per=bucket"}, "one after the other"),
    ({"extrapolate": "nearest:per=bucket", "curriculum": "mixed"}, "one after the other"),
    ({"extrapolate": "nearest:per=bucket", "curriculum": {}, "lora": 2}, "leave out lora"),
    ({"extrapolate": "nearest:per=bucket,direction=projected", "curriculum": {}}, "leave `direction` out"),
    ({"extrapolate": "directed:per=bucket", "curriculum": {}}, "'directed' has its own direction, and an alpha per"),
    ({"leave": {"every": 3}}, "`stop: leave` only"),
    ({"stop": "never-known:every=2"}, "'never-known' has no options"),
    ({"strength": "margni"}, "strength.by"),
])  # fmt: skip
def test_settings_that_contradict_one_another(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_method(settings(TrainConfig, values))  # names of selectors are not known to the settings


def counted() -> Sets:
    sets = unequal_sets()
    return replace(sets, forget=tuple(replace(e, count=c) for e, c in zip(sets.forget, (1, 20, 1, 20))))


def test_the_rate_of_a_bucket_scales_its_steps() -> None:
    """Plain steps of one epoch each; with rate 0 for frequent facts nothing would move in their phase."""
    config = lambda rate: steps_of(
        "gradient_ascent", max_steps=None, batch_size=2, retain_loss=None, clip=None,
        curriculum={"edges": (20,), "epochs": (1,), "rates": (1.0, rate), "at_least": 2},
    )  # fmt: skip
    once, twice = (train(tiny_model(), counted(), config(rate)) for rate in (1e-12, 1.0))
    only_rare = replace(counted(), forget=tuple(e for e in counted().forget if e.count == 1))
    rare = train(tiny_model(), only_rare, steps_of("gradient_ascent", max_steps=1, retain_loss=None, clip=None))
    assert [p.step for p in twice.points] == [0, 1, 2]  # a point at each phase's end
    model = tiny_model()
    with once.change.applied_to(model):
        small = {n: p.detach().clone() for n, p in model.network.named_parameters()}
    with rare.change.applied_to(model):
        for name, parameter in model.network.named_parameters():
            torch.testing.assert_close(small[name], parameter.detach(), rtol=0, atol=1e-7)
    assert twice.change.result_id != once.change.result_id


PART = "the kept step 4 lies before the phase of high"


@pytest.mark.parametrize(("start", "forget", "utility", "kept", "buckets", "note"), [
    ("early", [1, 0.5, 0.3, 0.05, 0.05, 0.04, 0.04, 0.03, 0.03], [1.0] * 9, 5, ["low", "high"], ""),
    ("kept", [1, 0.5, 0.3, 0.2, 0.2, 0.15, 0.1, 0.05, 0.05], [1.0] * 9, 6, ["low", "high"], ""),
    ("early", [1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1], [1.0] * 5 + [0.5] * 4, 4, ["low"], PART),
    ("kept", [1, 0.9, 0.8, 0.7, 0.2, 0.1, 0.1, 0.1, 0.1], [1.0] * 5 + [0.5] * 4, 4, ["low"], PART),
])  # fmt: skip
def test_buckets_extrapolated_apart_are_all_there_unless_the_floor_forbids(
    start: str, forget: list[float], utility: list[float], kept: int, buckets: list[str], note: str
) -> None:
    """Two phases of four steps each, with given points; what is not there is told."""
    config = steps_of(
        "gradient_ascent", max_steps=None, batch_size=1, retain_loss=None, eval_every=1,
        curriculum={"edges": (20,), "epochs": (2,), "at_least": 2}, extrapolate=f"nearest:per=bucket,start={start}",
    )  # fmt: skip
    watch = lambda step: {"forget": forget[step], "utility": utility[step]}
    trained = train(tiny_model(), replace(counted(), holdout=()), config, watch=watch)
    assert trained.kept.step == kept and [each.phase.bucket.name for each in trained.phases] == buckets
    assert [each.step for each in trained.phases] == [4, kept][: len(buckets)]
    assert len(trained.notes) == bool(note) and all(each.startswith(note) for each in trained.notes)


def test_each_step_takes_the_gradient_of_its_bucket() -> None:
    with recorded() as seen:
        train(tiny_model(), counted(), steps_of("npo", max_steps=None, retain_loss=None, curriculum={
            "edges": (20,), "epochs": (1,), "at_least": 2}))  # fmt: skip
    for number, count in ((0, 1), (1, 20)):
        own = replace(counted(), forget=tuple(e for e in counted().forget if e.count == count))
        with recorded() as alone:
            train(tiny_model(), own, steps_of("npo", max_steps=1, retain_loss=None))
        for name, value in alone[0].items():
            torch.testing.assert_close(seen[number][name], value, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("more", [
    {"wrap": ("sam", "gru")}, {"wrap": ("lat:steps=1",)}, {"lora": 2}, {"parameters": ("model.layers.0.mlp.*",)},
    {"precision": "bfloat16"}, {"retain_loss": None},
], ids=lambda more: next(iter(more)))  # fmt: skip
@pytest.mark.parametrize("method", ["dpo", "pdu"])
def test_all_that_goes_by_frequency_goes_together(method: str, more: dict[str, Any]) -> None:
    """With wrappers, adapters, masks, mixed precision, and without a retain set; some steps draw nobody."""
    config = steps_of(
        method, max_steps=None, batch_size=1, strength={}, stop="leave", leave={"every": 1, "margin": 0.0},
        curriculum={"edges": (20,), "epochs": (2, 3), "rates": (1.0, 0.5), "at_least": 2}, utility_floor=0.0, **more,
    )  # fmt: skip
    sets = counted()  # the twins of the first two are as likely as they are: those leave at once
    alike = [replace(e, id=f"twin {e.id}", group=e.id) for e in (*sets.forget[:2], *sets.holdout)]
    twins = [replace(e, group=own.id) for e, own in zip(alike, sets.forget, strict=True)]
    trained = train(tiny_model(), replace(sets, twins=tuple(twins)), config)
    assert trained.turns[0].step == 0 and {*trained.turns[0].left} >= {0, 1}
    assert trained.steps == 10 and {point.step for point in trained.points} >= {4, 10}
    assert any(point.resting for point in trained.points)
    if "parameters" in more:
        assert {name.split(".")[3] for name in trained.change.names} == {"mlp"}
