"""Who leaves the batch at its never-known level, and who comes back."""

from dataclasses import replace

import pytest
import torch

from expunge.config import LeaveConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.train.leaving import Leaving, Turn
from expunge.train.levels import mean_log_probs
from expunge.train.unlearn import train
from steps import assert_close, gradient, settings, taught_model, unequal_sets


def test_levels_margins_and_looks_by_hand() -> None:
    logs = iter([[-1.0, -3.0, -2.0], [-3.5, -2.6, -2.05], [-3.45, -2.49, -1.0]])
    rule = Leaving(torch.tensor([-3.0, -3.0, -2.0]), lambda: torch.tensor(next(logs)), LeaveConfig(every=5, margin=0.5))
    assert [step for step in range(12) if rule.due(step)] == [0, 5, 10]
    assert rule.turn(0, []) == Turn(0, left=(1, 2))  # at the level counts as there
    assert rule.turn(5, [1, 2]) == Turn(5, left=(0,))  # 0.4 above the level: not yet back
    assert rule.turn(10, [0, 1, 2]) == Turn(10, returned=(1, 2))


def twins(sets: Sets, gone: set[int]) -> Sets:
    """Each forget example gets a twin that the taught model is sure of, or one that it cannot guess."""
    sure, never = sets.retain[0], Example("no", "what ? the", "do city")
    rows = [replace(sure if i in gone else never, id=f"twin{i}", group=e.id) for i, e in enumerate(sets.forget)]
    return replace(sets, twins=tuple(rows))


@pytest.mark.parametrize("method", ["npo", "gradient_ascent", "dpo"])
def test_who_is_away_is_not_drawn_and_nobody_else_is_pushed_harder(method: str) -> None:
    model = taught_model()
    lowered = train(model, unequal_sets(), settings("gradient_ascent", max_steps=8, learning_rate=3e-3)).change
    sets = twins(replace(unequal_sets(), retain=unequal_sets().retain[:1]), gone={1, 3})
    with lowered.applied_to(model):
        some = gradient(sets, method, model=model, stop="leave", retain_loss=None)
        here = (sets.forget[0], sets.forget[2])
        alone = gradient(replace(sets, forget=here), method, model=model, retain_loss=None)
    size = (lambda e: len(e.answer.split())) if method == "gradient_ascent" else (lambda e: 1)
    share = sum(map(size, here)) / sum(map(size, sets.forget))
    assert_close(some, {name: share * value for name, value in alone.items()})


def test_all_leave_once_they_are_forgotten_and_what_resurfaces_returns() -> None:
    """Gradient ascent makes all unlikely; then the retain loss alone, on the same questions, brings them back."""
    model, sets = taught_model(), unequal_sets()
    never = Example("no", "what ? the", "do city")
    sets = replace(sets, twins=tuple(replace(never, id=f"t{i}", group=e.id) for i, e in enumerate(sets.forget)))
    again = tuple(replace(e, id=f"again {e.id}") for e in sets.forget)
    options = {"max_steps": 40, "learning_rate": 1e-3, "eval_every": 40, "stop": "leave", "retain_loss": "kl"}
    config = settings("gradient_ascent", leave={"every": 2, "margin": 0.2}, **options)
    trained = train(model, replace(sets, retain=again), config)
    assert trained.turns[0].left and trained.turns[0].step > 0
    away: set[int] = set()
    for turn in trained.turns:
        assert turn.step % 2 == 0 and not away & {*turn.left} and {*turn.returned} <= away
        away = (away | {*turn.left}) - {*turn.returned}
    assert any(turn.returned for turn in trained.turns)
    assert "left the batch" in trained.notes[-1]
    resting = trained.points[-1].resting
    assert resting is not None and 0 < resting < 1


def test_nobody_is_forgotten_further_than_needed() -> None:
    """Under plain gradient ascent likelihoods go on falling; who left stays near the level."""
    model, sets = taught_model(), unequal_sets()
    never = Example("no", "what ? the", "do city")
    sets = replace(sets, twins=tuple(replace(never, id=f"t{i}", group=e.id) for i, e in enumerate(sets.forget)))
    encoded = Encoder(model.tokenizer).encode_all(sets.forget)
    reached = {}
    for stop in ("never", "leave"):
        options = {"max_steps": 30, "learning_rate": 3e-3, "eval_every": 30, "stop": stop}
        trained = train(model, sets, settings("gradient_ascent", utility_floor=0.0, **options,
                                              **({"leave": {"every": 1}} if stop == "leave" else {})))  # fmt: skip
        with trained.change.applied_to(model):
            reached[stop] = mean_log_probs(model, encoded, budget=512).mean().item()
    assert reached["never"] < reached["leave"] - 3


def test_it_needs_a_level() -> None:
    sets = replace(unequal_sets(), holdout=())
    with pytest.raises(ConfigError, match="twins"):
        train(taught_model(), sets, settings("npo", stop="leave"))
