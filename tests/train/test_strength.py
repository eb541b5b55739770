"""Strengths in training: uniform ones change no bit, others multiply each example's loss, whatever the batch."""

from dataclasses import replace

import pytest

from expunge.data.example import Sets
from expunge.frequency.strengths import strengths
from expunge.objectives import objectives
from expunge.train.unlearn import train
from steps import assert_close, assert_same_bits, gradient, recorded, settings, unequal_sets
from tiny import tiny_model

COUNTS = (0, 3, 40, 1000)


def counted() -> Sets:
    sets = unequal_sets()
    return replace(sets, forget=tuple(replace(e, count=c) for e, c in zip(sets.forget, COUNTS, strict=True)))


@pytest.mark.parametrize("method", list(objectives))
def test_uniform_strengths_are_the_plain_objective_bit_for_bit(method: str) -> None:
    """Power 0; and any power where all counts are equal. Batches of three and one, retain loss and all."""
    same = replace(counted(), forget=tuple(replace(e, count=7) for e in counted().forget))
    found = []
    for sets, strength in ((counted(), None), (counted(), {"power": 0.0}), (same, {"power": 2.5})):
        with recorded(update=True) as seen:
            train(tiny_model(), sets, settings(method, batch_size=3, strength=strength))
        found.append(seen)
    for plain, powerless, equal in zip(*found, strict=True):
        assert_same_bits(plain, powerless)
        assert_same_bits(plain, equal)


@pytest.mark.parametrize("method", ["npo", "simnpo", "dpo", "gradient_ascent", "undial", "pdu"])
@pytest.mark.parametrize("micro_tokens", [1, 4096])
def test_each_loss_is_multiplied(method: str, micro_tokens: int) -> None:
    """The gradient is the mean over what is drawn of w_i times each example's own: Σw need not be what is drawn."""
    sets, options = counted(), {"retain_loss": None, "micro_tokens": micro_tokens}
    whole = gradient(sets, method, strength={"power": 1.0}, **options)
    own = [gradient(replace(sets, forget=(each,)), method, **options) for each in sets.forget]
    weights = strengths(COUNTS, 1.0)
    size = [1 if objectives.get(method).unit == "example" else len(e.answer.split()) for e in sets.forget]
    for name in whole:
        expected = sum(w * n * part[name] for w, n, part in zip(weights, size, own)) / sum(size)
        assert_close({name: whole[name]}, {name: expected})  # type: ignore[dict-item]


def test_a_batch_of_one_is_pushed_by_its_strength() -> None:
    """A weighted mean over the step would cancel it."""
    options = {"retain_loss": None, "batch_size": 1}
    with recorded() as plain:
        train(tiny_model(), counted(), settings("npo", max_steps=4, **options))
    with recorded() as strong:
        train(tiny_model(), counted(), settings("npo", max_steps=4, strength={}, **options))
    share = [
        sum(b[n].double().square().sum().item() for n in b) ** 0.5
        / sum(a[n].double().square().sum().item() for n in a) ** 0.5
        for a, b in zip(plain, strong, strict=True)
    ]  # fmt: skip
    assert sorted(share) == pytest.approx(strengths(COUNTS, 1.0), rel=1e-5)


def test_weights_of_the_set_stay_weights() -> None:
    """A weight says how much an example counts in the mean, its strength how hard it is pushed."""
    sets = replace(counted(), forget=tuple(replace(e, weight=w) for e, w in zip(counted().forget, (1, 2, 3, 2))))
    whole = gradient(sets, "npo", strength={}, retain_loss=None)
    own = [gradient(replace(counted(), forget=(each,)), "npo", retain_loss=None) for each in counted().forget]
    for name in whole:
        weighed = sum(v * w * part[name] for v, w, part in zip((1, 2, 3, 2), strengths(COUNTS, 1.0), own)) / 8
        assert_close({name: whole[name]}, {name: weighed})  # type: ignore[dict-item]
