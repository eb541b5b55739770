"""Never-known levels, and examples that rest while they are there."""

from dataclasses import replace
from math import exp

import pytest
import torch

from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.train.levels import mean_log_probs, never_known, required
from expunge.train.unlearn import train
from steps import assert_close, gradient, likelihood, settings, taught_model, unequal_sets
from tiny import PLACES, tiny_model, tiny_sets


def example(id: str, group: str | None = None) -> Example:
    return Example(id, "p", "a", group=group)


def test_twins_speak_for_their_example_and_the_mean_for_the_rest() -> None:
    sets = Sets(
        forget=(example("a"), example("b", group="town"), example("c")),
        twins=(example("t1", "a"), example("t2", "a"), example("t3", "town"), example("t4")),
        holdout=(example("h"),),
    )
    level = required(never_known(sets, lambda _: torch.tensor([-1.0, -3.0, -4.0, -8.0])))
    assert level.per_example.tolist() == [-2.0, -4.0, -4.0] and level.source == "twins"
    town, everyone = exp(-4), (exp(-1) + exp(-3) + exp(-4) + exp(-8)) / 4  # levels are means of probabilities
    assert level.level == pytest.approx(((exp(-1) + exp(-3)) / 2 + town + everyone) / 3)
    assert level.logs.tolist() == [-1.0, -3.0, -4.0, -8.0]


def test_twins_that_speak_for_none_are_left_out() -> None:
    """A twin of what is not in this forget set says nothing of it."""
    sets = Sets(forget=(example("a"),), twins=(example("t1", "a"), example("t2", "b")))
    level = required(never_known(sets, lambda _: torch.tensor([-1.0, -9.0])))
    assert (level.logs.tolist(), level.per_example.tolist()) == ([-1.0], [-1.0])


def test_the_holdout_set_stands_in_for_twins() -> None:
    sets = Sets(forget=(example("a"), example("b")), holdout=(example("x"), example("y")))
    level = required(never_known(sets, lambda _: torch.tensor([-1.0, -2.0])))
    assert level.per_example.tolist() == [-1.5, -1.5] and level.source == "holdout"
    assert level.level == pytest.approx((exp(-1) + exp(-2)) / 2)


def test_without_either_there_is_none_and_stopping_there_is_an_error() -> None:
    sets = replace(tiny_sets(), holdout=())
    assert never_known(sets, lambda examples: pytest.fail("nothing to measure")) is None
    assert train(tiny_model(), sets, settings("npo")).never_known is None
    with pytest.raises(ConfigError, match="twins"):
        train(tiny_model(), sets, settings("npo", stop="never-known"))


def test_levels_are_means_per_token_in_order() -> None:
    model, sets = tiny_model(), unequal_sets()
    encoded = Encoder(model.tokenizer).encode_all(sets.forget)
    lengths = torch.tensor([len(e.ids) - e.start for e in encoded])
    expected = likelihood(model, sets.forget) / lengths
    for budget in (1, 4096):
        torch.testing.assert_close(mean_log_probs(model, encoded, budget=budget), expected, rtol=1e-5, atol=1e-6)


def twins(sets: Sets, resting: set[int]) -> Sets:
    """Each forget example gets a twin: a fact that the taught model is sure of, or one that it cannot guess."""
    sure, never = sets.retain[0], Example("no", "what ? the", "do city")
    rows = [replace(sure if i in resting else never, id=f"twin{i}", group=e.id) for i, e in enumerate(sets.forget)]
    return replace(sets, twins=tuple(rows))


@pytest.mark.parametrize("method", ["npo", "gradient_ascent", "ceu", "dpo"])
@pytest.mark.parametrize("micro_tokens", [1, 4096])
def test_an_example_at_its_level_has_no_influence(method: str, micro_tokens: int) -> None:
    """Only its place in the average stays, so that the others are not pushed harder."""
    model = taught_model()
    lowered = train(model, unequal_sets(), settings("gradient_ascent", max_steps=8, learning_rate=3e-3)).change
    sets = twins(replace(unequal_sets(), retain=unequal_sets().retain[:1]), resting={1, 3})
    options = {"model": model, "micro_tokens": micro_tokens, "retain_loss": None}
    with lowered.applied_to(model):
        gated = gradient(sets, method, stop="never-known", **options)
        awake = [sets.forget[0], sets.forget[2]]
        others = gradient(replace(sets, forget=tuple(awake)), method, **options)
    tokens = lambda e: len(e.answer.split()) - (method == "ceu" and len(e.answer.split()) > 1)
    counted = tokens if method in ("gradient_ascent", "ceu") else lambda e: 1
    share = sum(map(counted, awake)) / sum(map(counted, sets.forget))
    assert_close(gated, {name: share * value for name, value in others.items()})


@pytest.mark.parametrize("wrap", ["sam:rho=0.5", "lat:layer=0,epsilon=0.9"])
def test_who_rests_is_judged_by_the_model_itself(wrap: str) -> None:
    """And not by the disturbed one, of which a wrapper takes the gradient: there the same answers are likelier."""
    model = taught_model()
    lowered = train(model, unequal_sets(), settings("gradient_ascent", max_steps=8, learning_rate=3e-3)).change
    sets = twins(replace(unequal_sets(), retain=unequal_sets().retain[:1]), resting={1, 3})
    options = {"model": model, "retain_loss": None, "wrap": (wrap,)}
    with lowered.applied_to(model):
        gated = gradient(sets, "npo", stop="never-known", **options)
        others = gradient(replace(sets, forget=(sets.forget[0], sets.forget[2])), "npo", **options)
        trained = train(model, sets, settings("npo", stop="never-known", retain_loss=None, wrap=(wrap,)))
    assert_close(gated, {name: value / 2 for name, value in others.items()})
    assert trained.points[-1].resting == 0.5


def test_when_all_rest_nothing_moves() -> None:
    """Not even by weight 0 times something: the gradient is exactly zero."""
    sets = twins(replace(unequal_sets(), retain=unequal_sets().retain[:1]), resting={0, 1, 2, 3})
    model = taught_model()
    lowered = train(model, unequal_sets(), settings("gradient_ascent", max_steps=8, learning_rate=3e-3)).change
    with lowered.applied_to(model):
        still = gradient(sets, "npo", model=model, stop="never-known", retain_loss=None)
        trained = train(model, sets, settings("npo", stop="never-known", retain_loss=None))
    assert all(not value.any() for value in still.values())
    assert trained.change.names == () and trained.points[-1].resting == 1.0


def test_an_example_comes_back_when_it_resurfaces() -> None:
    """The retain set holds the same fact: it pulls up what rests, until it is above the level and pushed again."""
    model, fact = taught_model(), tiny_sets().forget[0]
    twins = [Example("twin", f"the capital of {a} is", b, group=fact.id) for a in PLACES for b in PLACES.values()]
    distance = (likelihood(model, twins) + 1.5).abs()  # one that the model half believes
    assert distance.min() < 0.3 and likelihood(model, [fact]) > -0.7
    sets = Sets(forget=(fact,), retain=(replace(fact, id="same"),), twins=(twins[int(distance.argmin())],))
    trained = train(
        model, sets,
        settings("npo", stop="never-known", max_steps=30, learning_rate=1e-3, retain_weight=0.3, eval_every=1),
    )  # fmt: skip
    resting = [point.resting for point in trained.points[1:]]
    assert set(resting) == {0.0, 1.0}
    first = resting.index(1.0)
    assert resting[0] == 0.0 and 0.0 in resting[first:], "rested, and was pushed again afterwards"
    assert trained.never_known is not None and trained.never_known.source == "twins"
