"""Inner products of examples' gradients, against autograd and worked out by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.data.convention import Encoder
from expunge.data.forest import plant
from expunge.models.gradient_products import (
    block_and_tile,
    exact_products,
    passes_of,
    projected_products,
    sketches,
    weights_of,
)
from expunge.models.halfway import Halfway
from expunge.models.naming import plain_parameters
from expunge.models.scoring import forward
from expunge.models.sketch import Sketch
from tiny import tiny_model, tiny_sets

PLENTY = 2**30


def _setting(**changes):
    model = tiny_model(**changes)
    sets = tiny_sets()
    encoded = Encoder(model.tokenizer).encode_all([*sets.forget, *sets.retain])
    # unequal lengths: two prompts run on, two answers are of two tokens
    encoded = [
        replace(e, ids=(*e.ids[:2], *e.ids), start=e.start + 2) if i % 3 == 1 else e for i, e in enumerate(encoded)
    ]
    encoded = [replace(e, start=e.start - 1) if i % 4 == 2 else e for i, e in enumerate(encoded)]
    return model, list(plain_parameters(model.network)), encoded


def _gradients(model, names, encoded, probability: bool = False) -> torch.Tensor:
    """One row an example, by autograd: of log P, or of P itself."""
    named, rows = plain_parameters(model.network), []
    for each in encoded:
        log_p = forward(model, plant([[each]])).log_probs[: len(each.ids) - each.start - each.tail].sum()
        found = torch.autograd.grad(log_p.exp() if probability else log_p, [named[name] for name in names])
        rows.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(rows).double()


def _cosines(products: torch.Tensor) -> torch.Tensor:
    norms = products.diagonal().sqrt()
    return products / norms / norms[:, None]


def _agree(one: torch.Tensor, two: torch.Tensor) -> None:
    """As cosines do, to 1e-5: a product near 0 of long gradients has no digits of its own."""
    norms = two.diagonal().sqrt()
    assert float(((one - two) / norms / norms[:, None]).abs().max()) < 1e-5


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_the_products_are_those_of_autograd(arch: str) -> None:
    model, names, encoded = _setting(arch=arch)
    alone = _gradients(model, names, encoded)
    done: list[int] = []
    found = exact_products(model, names, encoded, memory=PLENTY, tick=done.append)
    _agree(found, alone @ alone.T)
    assert sum(done) == len(encoded) == passes_of(len(encoded), weights_of(model, names), PLENTY)


def test_the_probability_and_its_logarithm_point_the_same_way() -> None:
    """∇P = P ∇ log P: the cosines of the paper's gradients are those of ours."""
    model, names, encoded = _setting()
    paper = torch.nn.functional.normalize(_gradients(model, names, encoded, probability=True), dim=1)
    found = exact_products(model, names, encoded, memory=PLENTY)
    norms = found.diagonal().sqrt()
    _agree(found / norms / norms[:, None], paper @ paper.T)
    assert float((paper @ paper.T - 1).abs().max()) > 0.1


@pytest.mark.parametrize("rows", [2, 3, 5, 7])
def test_memory_and_order_change_nothing(rows: int) -> None:
    model, names, encoded = _setting()
    whole = exact_products(model, names, encoded, memory=PLENTY)
    memory = 4 * weights_of(model, names) * rows
    done: list[int] = []
    found = exact_products(model, names, encoded, memory=memory, tick=done.append)
    _agree(found, whole)
    assert sum(done) == passes_of(len(encoded), weights_of(model, names), memory) > len(encoded)
    assert sum(block_and_tile(len(encoded), weights_of(model, names), memory)) == rows
    turned = exact_products(model, names, encoded[::-1], memory=memory)
    _agree(turned.flip(0, 1), whole)


def test_what_closes_an_answer_is_left_out() -> None:
    model, names, encoded = _setting()
    ended = [replace(e, ids=(*e.ids, 1), tail=e.tail + 1) for e in encoded]
    plain = exact_products(model, names, encoded, memory=PLENTY)
    _agree(exact_products(model, names, ended, memory=PLENTY), plain)


def test_sketches_are_those_of_the_whole_gradients() -> None:
    """A gradient sketched piece by piece in its hooks is the sketch of the gradient that autograd gives."""
    model, names, encoded = _setting()
    found = sketches(model, names, encoded, Sketch(101, seed=3))
    named = plain_parameters(model.network)
    for row, gradient in zip(found, _gradients(model, names, encoded)):
        direct, sketch = torch.zeros(101, dtype=torch.float64), Sketch(101, seed=3)
        for name, piece in zip(names, gradient.split([named[name].numel() for name in names])):
            sketch.add(direct, name, piece)
        torch.testing.assert_close(row.double(), direct, rtol=1e-4, atol=1e-6)


def test_projected_cosines_are_near_the_exact_ones() -> None:
    """Spread as told, within five standard errors, and on average over draws nearer by √draws."""
    model, names, encoded = _setting()
    exact = _cosines(exact_products(model, names, encoded, memory=PLENTY))
    draws, sketch = 24, Sketch(1024)
    every = torch.stack([
        _cosines(projected_products(sketches(model, names, encoded, Sketch(1024, seed)))) - exact
        for seed in range(draws)
    ])  # fmt: skip
    assert float(every.abs().max()) < 5 * sketch.error
    above = torch.triu_indices(len(exact), len(exact), 1)
    spread = (1 - exact.square())[above[0], above[1]] * sketch.error
    assert 0.7 < float((every[:, above[0], above[1]] / spread).std()) < 1.3
    assert float(every.mean(0).abs().max()) < 4 * sketch.error / draws**0.5


def test_the_model_is_left_as_it_was() -> None:
    model, names, encoded = _setting()
    first = plain_parameters(model.network)[names[0]]
    first.requires_grad_(False)
    before = [p.detach().clone() for p in model.network.parameters()]
    sketches(model, names, encoded[:2], Sketch(16))
    with torch.inference_mode():
        exact_products(model, names, encoded[:2], memory=PLENTY)
    assert not first.requires_grad
    assert all(p.grad is None and not p._post_accumulate_grad_hooks for p in model.network.parameters())
    assert all(torch.equal(p, was) for p, was in zip(model.network.parameters(), before))


@pytest.mark.parametrize("exact", [True, False])
def test_a_killed_computation_goes_on(exact: bool, tmp_path: Path) -> None:
    """What was there is not computed again, and the result has the same bits."""
    model, names, encoded = _setting()
    memory = 4 * weights_of(model, names) * 3

    def compute(halfway: Halfway, tick) -> torch.Tensor:
        if exact:
            return exact_products(model, names, encoded, memory=memory, tick=tick, halfway=halfway)
        return sketches(model, names, encoded, Sketch(64), tick=tick, halfway=halfway)

    whole, total = compute(Halfway(None, {}), lambda _: None), 0

    def killed(passes: int) -> None:
        nonlocal total
        total += passes
        if total > 9 if exact else total > 3:
            raise KeyboardInterrupt

    path = tmp_path / "half.safetensors"
    with pytest.raises(KeyboardInterrupt):
        compute(Halfway(path, {"a": 1}, every=0), killed)
    ticks: list[int] = []
    again = compute(Halfway(path, {"a": 1}, every=0), ticks.append)
    assert torch.equal(again, whole)
    assert ticks[0] > 0
    assert Halfway(path, {"a": 2}).load() == {}
    path.write_bytes(b"broken")
    assert Halfway(path, {"a": 1}).load() == {}
