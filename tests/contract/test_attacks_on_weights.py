"""Every attack that trains, compresses or looks inside is run on a model that knows and on one that does not."""

from dataclasses import replace
from functools import lru_cache

import pytest

from attacked import attacked_sets, target
from expunge.attacks import Finding, attacks, why_not
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_model

NAMES = (
    "linear_probe", "logit_lens", "noise", "patching", "prune", "quantize", "relearn", "relearn_lora",
    "relearn_unrelated",
)  # fmt: skip


@lru_cache
def found(name: str, *, taught: bool = True, budget: int = 4096, seed: int = 0) -> tuple[Finding, ...]:
    model = taught_model() if taught else tiny_model()
    return tuple(attacks.get(name)(target(model, budget=budget, seed=seed)))


def values(findings: tuple[Finding, ...]) -> list[float]:
    return [score for each in findings for score in each.scores]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "linear_probe"])
def test_who_knows_scores_higher(name: str) -> None:
    """But for the probe: four facts are too few to train one on."""
    for knows, ignorant in zip(found(name), found(name, taught=False), strict=True):
        assert sum(knows.scores) / len(knows.scores) > sum(ignorant.scores) / len(ignorant.scores)


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_is_whole(name: str) -> None:
    entry = attacks.get(name)
    assert entry.title and entry.reads and entry.summary
    parts = [each.part for each in found(name)]
    assert parts and len(set(parts)) == len(parts)
    for each in found(name):
        assert all(0 <= score <= 1 for score in each.scores)
        rows = range(4) if each.rows is None else each.rows
        assert len(each.scores) == len(rows) > 0 and set(rows) <= set(range(4))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same(name: str) -> None:
    found.cache_clear()
    once = found(name)
    found.cache_clear()
    assert found(name) == once


@pytest.mark.parametrize("name", NAMES)
def test_how_it_is_cut_into_batches_changes_nothing(name: str) -> None:
    assert values(found(name, budget=1)) == pytest.approx(values(found(name)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_the_models_are_as_they_were(name: str, arch: str) -> None:
    model, peers = tiny_model(1, arch), {"original": tiny_model(0, arch), "retrained": tiny_model(2, arch)}
    before = [bits(each) for each in (model, *peers.values())]
    sets = Sets() if name == "patching" else attacked_sets()  # with facts that all know it would refuse these peers
    attacks.get(name)(target(model, peers=peers, sets=sets, encoder=Encoder(model.tokenizer)))
    for each, was in zip((model, *peers.values()), before, strict=True):
        assert_same_bits(bits(each), was)
        assert all(weight.requires_grad and weight.grad is None for weight in each.network.parameters())
        assert not each.network.training
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in each.network.modules())


@pytest.mark.parametrize("name", NAMES)
def test_also_after_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stumbling(*_: object, **__: object) -> None:
        calls.append(1)
        raise ZeroDivisionError

    for place in ("after.ask", "residuals.forward", "patching.forward"):
        monkeypatch.setattr(f"expunge.attacks.{place}", stumbling)
    aimed = target()
    before = bits(aimed.model)
    with pytest.raises(ZeroDivisionError):
        attacks.get(name)(aimed)
    assert calls
    assert_same_bits(bits(aimed.model), before)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_needs_is_what_it_lacks(name: str) -> None:
    entry, bare = attacks.get(name), target(sets=Sets(), peers={}, examples=attacked_sets().forget[:1])
    assert not why_not(entry, target())
    assert bool(why_not(entry, bare)) == bool(entry.needs)
    for need in set(entry.needs) & {"original", "retrained"}:
        whole = target()
        assert need in why_not(entry, replace(whole, peers={n: m for n, m in whole.peers.items() if n != need}))
