"""Scores that are made of gradients and weights, against a direct computation, column by column."""

import pytest
import torch
from torch import Tensor

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.forest import plant
from expunge.errors import ConfigError
from expunge.localize import Scene, Which, localizers
from expunge.localize.localizing import localize
from expunge.localize.units import Strip, Units
from expunge.models.model import Model
from expunge.models.scoring import forward
from tiny import ARCHITECTURES, tiny_model, tiny_sets

SETS = tiny_sets()


def scores(name: str, arch: str = "llama", **options: float) -> list[float]:
    model = tiny_model(arch=arch)
    config = LocalizeConfig(localizer=name, options=options)
    return localize(model, SETS.forget, SETS.retain, config, Encoder(model.tokenizer)).scores.tolist()


def columns(model: Model, tensors: list[Tensor]) -> list[Tensor]:
    """The value vectors of every layer in order, from tensors shaped as the down projections."""
    axes = [model.layout.value_vectors(layer).axis for layer in range(model.layout.depth)]
    return [tensor.select(axis, j) for tensor, axis in zip(tensors, axes) for j in range(tensor.shape[axis])]


def down(model: Model) -> list[Tensor]:
    named = dict(model.network.named_parameters())
    return [named[model.layout.value_vectors(layer).parameter] for layer in range(model.layout.depth)]


def direct(model: Model, examples: tuple, *, single: bool = False) -> list[list[Tensor]]:
    """Value vectors' gradients: of the whole set's mean NLL, or of each example's own."""
    encoded = Encoder(model.tokenizer).encode_all(examples)
    losses = [-forward(model, plant([[each]])).log_probs for each in encoded]
    wanted = [loss.mean() for loss in losses] if single else [torch.cat(losses).mean()]
    return [columns(model, list(torch.autograd.grad(loss, down(model)))) for loss in wanted]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_saliency_snip_wagle_magnitude(arch: str) -> None:
    model = tiny_model(arch=arch)
    forget, retain = direct(model, SETS.forget)[0], direct(model, SETS.retain)[0]
    weights = columns(model, [w.detach() for w in down(model)])
    near = lambda values: pytest.approx([float(value) for value in values], rel=1e-4)
    assert scores("saliency", arch) == near(g.abs().sum() for g in forget)
    assert scores("snip", arch) == near((g * w).abs().sum() for g, w in zip(forget, weights))
    assert scores("magnitude", arch) == near(w.abs().sum() for w in weights)
    for mu in (1e-6, 2.0):
        rows = zip(weights, forget, retain, strict=True)
        assert scores("wagle", arch, mu=mu) == near(((w - r / mu) * f).abs().sum() for w, f, r in rows)


class Given(Scene):
    """A column of two weights whose gradients are known."""

    def gradient(self, which: Which) -> dict[str, Tensor]:
        return {"w": torch.tensor([[3.0], [-1.0]] if which == "forget" else [[2.0], [4.0]])}

    def weights(self) -> dict[str, Tensor]:
        return {"w": torch.tensor([[1.0], [2.0]])}


def test_by_hand() -> None:
    """θ = (1, 2), g_f = (3, -1), g_r = (2, 4). WAGLE at μ = 2: |0 · 3| + |0 · -1|; at μ = 1: |-1 · 3| + |-2 · -1|."""
    units = Units("value_vectors", {"w": (2, 1)}, (Strip("w", 1, 0, 1, 0, 1),), 1)
    given = Given(tiny_model(), units, Encoder(tiny_model().tokenizer), ())
    rules = {name: localizers.get(name).function for name in localizers}
    assert rules["wagle"](given, mu=2.0).tolist() == [0.0]
    assert rules["wagle"](given, mu=1.0).tolist() == [5.0]
    assert rules["saliency"](given).tolist() == [4.0]
    assert rules["snip"](given).tolist() == [5.0]
    assert rules["magnitude"](given).tolist() == [3.0]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_fisher_is_a_ratio_of_single_examples_squares(arch: str) -> None:
    model = tiny_model(arch=arch)
    sums = []
    for examples in (SETS.forget, SETS.retain):
        each = direct(model, examples, single=True)
        sums.append(torch.stack([sum(g[j].square().sum() for g in each) / len(each) for j in range(len(each[0]))]))
    forget, retain = sums
    assert scores("fisher", arch) == pytest.approx((forget / (retain + 1e-6 * retain.mean())).tolist(), rel=1e-3)


@pytest.mark.parametrize(("mu", "arch"), [(0.2, "llama"), *((0.92, arch) for arch in ARCHITECTURES)])
def test_memflex_ranks_candidates_first(mu: float, arch: str) -> None:
    model = tiny_model(arch=arch)
    forget, retain = direct(model, SETS.forget)[0], direct(model, SETS.retain)[0]
    cosine = [float(torch.cosine_similarity(f, r, dim=0)) for f, r in zip(forget, retain)]
    size = [float(f.abs().mean()) for f in forget]
    direct_order = sorted(range(len(size)), key=lambda j: (cosine[j] >= mu, -size[j]))
    found = scores("memflex", arch, mu=mu)
    assert sorted(range(len(found)), key=lambda j: -found[j]) == direct_order
    if mu == 0.2:
        assert 0 < sum(c < mu for c in cosine) < len(cosine)  # the case is one in which the rule matters


def test_memflex_towards_random_answers_is_seeded_and_differs() -> None:
    plain, random = scores("memflex"), scores("memflex", copies=2)
    assert random == scores("memflex", copies=2)
    assert random != plain
    model, config = tiny_model(), LocalizeConfig(localizer="memflex", options={"copies": 2})
    turned = localize(model, SETS.forget[::-1], SETS.retain[::-1], config, Encoder(model.tokenizer)).scores
    assert turned.tolist() == pytest.approx(random, rel=1e-4)  # the order of a set has no say


def test_memflex_says_how_many_are_candidates() -> None:
    model = tiny_model()
    config = LocalizeConfig(localizer="memflex", budget=0.9, options={"mu": -1.0})
    found = localize(model, SETS.forget, SETS.retain, config, Encoder(model.tokenizer))
    assert found.notes == ("memflex: 0 of 96 units have cos(g_f, g_r) < -1",)
    assert found.chosen == int(0.9 * 96)  # filled up by size


def test_sets_that_are_missing() -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    with pytest.raises(ConfigError, match="compares with the retain set"):
        localize(model, SETS.forget, (), LocalizeConfig(localizer="wagle"), encoder)
    with pytest.raises(ConfigError, match="looks at the forget set, which is empty"):
        localize(model, (), SETS.retain, LocalizeConfig(localizer="snip"), encoder)


def test_a_sample_of_the_examples() -> None:
    model = tiny_model()
    encoder, done = Encoder(model.tokenizer), []
    config = LocalizeConfig(localizer="wagle", examples=2)
    localize(model, SETS.forget, SETS.retain, config, encoder, tick=lambda n, total: done.append((n, total)))
    assert (sum(n for n, _ in done), {total for _, total in done}) == (4, {4})
