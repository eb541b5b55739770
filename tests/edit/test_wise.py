"""WISE: losses, steps, masks, shards, merges and thresholds by hand; what a run does with them."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.edit.facts import Fact, Rows
from expunge.edit.side_training import Learning, Margins, Scale, Shard, activation_loss, rate_for, stepped
from expunge.edit.wise import _ready, merged, wise
from expunge.edit.work import Work
from expunge.errors import ConfigError, RunError
from expunge.models.memories import Memories
from expunge.models.model import Model
from expunge.models.scoring import score
from expunge.models.watching import watch_mlp_input
from expunge.parameters import parameters_of
from fact_work import PLAIN, corpus, facts, kept
from steps import assert_same_bits, bits
from tiny import tiny_model, tiny_sets

QUICK: dict[str, Any] = {"layer": 1, "steps": 4, "contexts": 1}


def job(model: Model | None = None, which: list[Fact] | None = None, **changes: Any) -> Work:
    model = model or tiny_model()
    usual: dict[str, Any] = {"kept": kept(2)}
    return Work(model, which or facts(3), Rows(Encoder(model.tokenizer, PLAIN)), **{**usual, **changes})


def edited(work: Work | None = None, **changes: Any) -> Memories:
    return wise(work or job(), **{**QUICK, **changes}).change  # type: ignore[return-value]


def main_weight(model: Model, found: Memories) -> Tensor:
    return parameters_of(model)[f"{found.path}.weight"].detach()


def delta(model: Model, found: Memories, fact: Fact, memory: int = 0) -> float:
    """Δ of a fact's prompt by hand: the mean over its tokens but the first of ‖a (W' - W)‖."""
    (row,) = Rows(Encoder(model.tokenizer, PLAIN)).of(fact)
    with watch_mlp_input(model, 1) as seen, torch.no_grad():
        model.network(input_ids=torch.tensor([row.encoded.ids[: row.encoded.start]]), use_cache=False)
    change = found.weights[memory].double() - main_weight(model, found).double()
    moved = seen[0][1:].double() @ (change if model.layout.architecture.transposed else change.T)
    return float(moved.norm(dim=1).mean())


def test_the_activation_loss_by_hand() -> None:
    """α=1, β=4, γ=2; in: 5 and 3, out: 0.5 and 2.

    [Δ_out - 1]: -0.5, 1 → 1;  [4 - Δ_in]: -1, 1 → 1;  [2 + out - in]: -2.5, -0.5, -1, 1 → 1: each over what is wanting.
    """
    inside, outside = torch.tensor([5.0, 3.0]), torch.tensor([0.5, 2.0])
    assert float(activation_loss(inside, outside, Margins(1, 4, 2))) == 3.0
    assert float(activation_loss(torch.tensor([9.0]), torch.tensor([0.0]), Margins(1, 4, 2))) == 0.0
    assert float(activation_loss(torch.tensor([1.0]), torch.tensor([3.0]), Margins(1, 4, 2))) == 2 + 3 + 4


def test_a_step_moves_drawn_entries_only_and_none_too_far() -> None:
    """W' - 0.5 (g + 0.1 W'), at most 1 from W; the entry that is not drawn keeps its bits, decay or not."""
    main = torch.tensor([[1.0, 2.0], [-3.0, 0.1]], dtype=torch.float64)
    shard = Shard(main.clone(), torch.tensor([[True, True], [True, False]]))
    gradient = torch.tensor([[1.0, -9.0], [0.0, 5.0]], dtype=torch.float64)
    moved = stepped(shard, main, gradient, Learning(0.5, 1, 0.0, 0.0, 0.1, 1.0))
    expected = [[1 - 0.5 * 1.1, 3.0], [-3 + 0.5 * 0.3, 0.1]]
    torch.testing.assert_close(moved, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


def test_ties_by_hand() -> None:
    """Three shards, half of the entries kept: magnitudes, elected signs, means of those that agree."""
    main = torch.tensor([[10.0, 20.0, 30.0, 40.0]], dtype=torch.float64)
    shards = [
        main + torch.tensor([[4.0, 3.0, 0.5, -0.1]], dtype=torch.float64),
        main + torch.tensor([[2.0, -5.0, 0.1, 0.2]], dtype=torch.float64),
        main + torch.tensor([[-1.0, 1.0, 3.0, -2.0]], dtype=torch.float64),
    ]
    # trimmed: (4, 3, 0, 0), (2, -5, 0, 0), (0, 0, 3, -2); signs: +, -, +, -
    expected = torch.tensor([[13.0, 15.0, 33.0, 38.0]], dtype=torch.float64)
    torch.testing.assert_close(merged(main, shards, 0.5), expected, rtol=0, atol=1e-12)
    assert torch.equal(merged(main, shards[:1], 0.5), shards[0])  # one shard is itself
    assert torch.equal(merged(main, [main, main], 0.5).view(torch.int64), main.view(torch.int64))


def test_the_rate_meets_the_margin_in_ten_steps() -> None:
    """A tenth of β a step: rate · ρ · ‖a‖² = 0.8, with β = 8, ρ = 0.2, ‖a‖² = 4."""
    assert rate_for(Margins(2, 8, 4), Scale(Margins(2, 8, 4), 4.0), 0.2) == pytest.approx(1.0)


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_margins_follow_from_what_the_layer_gives(arch: str) -> None:
    """β is half the mean ‖a W‖ over irrelevant tokens, α a quarter and γ half of β; published values replace them."""
    model = tiny_model(arch=arch)
    work = job(model)
    wise(work, **QUICK)
    weight = main_weight(model, edited(job(model)))
    weight = weight if model.layout.architecture.transposed else weight.T
    norms = []
    for fact in kept(2):
        (row,) = work.rows.of(fact)
        with watch_mlp_input(model, 1) as seen, torch.no_grad():
            model.network(input_ids=torch.tensor([row.encoded.ids[: row.encoded.start]]), use_cache=False)
        norms.append((seen[0][1:] @ weight).norm(dim=1))
    beta = float(torch.cat(norms).mean()) / 2
    assert any(note.startswith(f"alpha={beta / 4:.3g}, beta={beta:.3g}, gamma={beta / 2:.3g}") for note in work.notes)
    given = job(model)
    wise(given, **QUICK, alpha=5.0, beta=20.0, gamma=10.0, rate=0.001)
    assert any(note.startswith("alpha=5, beta=20, gamma=10, rate=0.001") for note in given.notes)


@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2"])
def test_entries_that_are_not_drawn_keep_their_bits(arch: str) -> None:
    model = tiny_model(arch=arch)
    before = bits(model)
    found = edited(job(model))
    assert_same_bits(before, bits(model))
    main, side = main_weight(model, found), found.weights[0]
    drawn = torch.rand(main.shape, generator=torch.Generator().manual_seed(0)) < 0.2
    assert torch.equal(side[~drawn].view(torch.int32), main[~drawn].view(torch.int32))
    assert float((side[drawn] != main[drawn]).float().mean()) > 0.9
    assert float((side - main).abs().max()) <= 1.0


def test_the_first_step_is_that_of_plain_pytorch() -> None:
    """One edit, no contexts, one step: L = NLL of the target + L_a, by a network with W' in place, in float64."""
    model = tiny_model()
    model.network.double()
    options: dict[str, Any] = {"alpha": 0.5, "beta": 2.0, "gamma": 1.0, "rate": 0.01, "contexts": 0, "steps": 2}
    work = job(model, facts(1), kept=kept(1))
    found = wise(work, layer=1, **options).change
    assert isinstance(found, Memories)
    layer: Any = model.network.get_submodule(found.path)
    main = layer.weight.detach().clone()
    side, drawn = main.clone(), torch.rand(main.shape, generator=torch.Generator().manual_seed(0)) < 0.2
    (inner,), (outer,) = work.rows.of(facts(1)[0]), work.rows.of(kept(1)[0])

    def run(ids: tuple[int, ...], weight: Tensor) -> tuple[Tensor, Tensor]:
        layer.weight.data.copy_(main)
        with watch_mlp_input(model, 1) as seen:
            replaced = layer.register_forward_hook(lambda _, inputs, __: inputs[0] @ weight.T)
            logits = model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
            replaced.remove()
        return logits, (seen[0].detach() @ (weight - main).T).norm(dim=1)

    for _ in range(2):
        weight = side.clone().requires_grad_()
        logits, moved = run(inner.encoded.ids, weight)
        start, targets = inner.encoded.start, torch.tensor(inner.encoded.ids[inner.encoded.start :])
        loss = -logits[start - 1 : -1].gather(1, targets[:, None]).mean()
        inside, outside = moved[1:start].mean(), run(outer.encoded.ids, weight)[1][1 : outer.encoded.start].mean()
        loss = loss + (outside - 0.5).relu() + (2.0 - inside).relu() + (1.0 + outside - inside).relu()
        (gradient,) = torch.autograd.grad(loss, weight)
        side = torch.where(drawn, side - 0.01 * (gradient + 1e-5 * side), side)
    torch.testing.assert_close(found.weights[0], side, rtol=1e-8, atol=1e-8)


def test_the_threshold_is_the_least_of_the_edits_on_the_finished_memory() -> None:
    model, found = tiny_model(), edited()
    assert found.thresholds == pytest.approx([min(delta(model, found, fact) for fact in facts(3))], rel=1e-5)
    assert found.floors == pytest.approx([0.88 * found.thresholds[0]])
    assert (found.edits, len(found.weights)) == (3, 1)


def test_the_target_becomes_what_is_said() -> None:
    model, work = tiny_model(), job()
    rows = [work.rows.of(fact)[0].encoded for fact in work.facts]
    before = [float(each[0].log_probs.mean()) for each in score(model, [[row] for row in rows])]
    with edited(steps=25, contexts=0, margin=2.0).applied_to(model):
        after = [float(each[0].log_probs.mean()) for each in score(model, [[row] for row in rows])]
    assert all(b > a for a, b in zip(before, after)) and sum(after) - sum(before) > 3


def test_shards_of_a_short_run_are_merged_too() -> None:
    """Three edits in shards of one: each draws its own entries, and all of them are in the memory."""
    model, found = tiny_model(), edited(save_every=1, merge_every=100)
    main, side = main_weight(model, found), found.weights[0]
    drawn = torch.zeros(main.shape, dtype=torch.bool)
    for number in range(3):
        drawn |= torch.rand(main.shape, generator=torch.Generator().manual_seed(number)) < 0.2
    changed = side != main
    assert not bool(changed[~drawn].any())
    assert 0.4 < float(changed.float().mean()) < 0.55  # 1 - 0.8³ = 0.49
    assert (found.edits, len(found.weights)) == (3, 1)


def test_with_retrieve_each_merge_is_a_memory_with_its_own_threshold() -> None:
    model = tiny_model()
    found = edited(save_every=1, merge_every=2, retrieve=True)
    assert len(found.weights) == 2
    first = min(delta(model, found, fact, 0) for fact in facts(2))
    assert found.thresholds == pytest.approx([first, delta(model, found, facts(3)[2], 1)], rel=1e-5)
    one = edited(save_every=1, merge_every=2)
    assert len(one.weights) == 1 and one.edits == 3
    assert one.thresholds == pytest.approx([min(delta(model, one, fact) for fact in facts(3))], rel=1e-5)


def test_a_merge_leaves_the_shard_under_way_its_edits() -> None:
    """Shards of two, merged after three: the third edit is in the second shard, so in the second memory."""
    model, four = tiny_model(), facts(4)
    found = edited(job(which=four), save_every=2, merge_every=3, retrieve=True)
    expected = [
        min(delta(model, found, fact, memory) for fact in part) for memory, part in enumerate((four[:2], four[2:]))
    ]
    assert found.thresholds == pytest.approx(expected, rel=1e-5)
    even = edited(job(which=four), save_every=2, merge_every=2, retrieve=True)
    assert found.thresholds == even.thresholds and found.edits == 4


def test_queries_with_one_value_are_one_edit() -> None:
    from dataclasses import replace

    bundled = [replace(fact, bundle="one") for fact in facts(3)]
    assert edited(job(which=bundled)).edits == 1


def test_a_second_request_keeps_the_first_ones_memory(tmp_path: Path) -> None:
    first = edited(job(which=facts(1)))
    first.save(tmp_path / "a.safetensors")
    earlier = str(tmp_path / "a.safetensors")
    both = edited(job(which=facts(2)[1:]), earlier=earlier, retrieve=True)
    assert torch.equal(both.weights[0], first.weights[0]) and both.thresholds[0] == first.thresholds[0]
    assert (len(both.weights), both.edits) == (2, 2)
    with pytest.raises(ConfigError, match="retrieve=true"):
        edited(earlier=earlier)
    for changes in ({"layer": 0}, {"ratio": 0.5}, {"activation": True}):
        with pytest.raises(ConfigError, match="name the same"):
            edited(earlier=earlier, retrieve=True, **changes)
    with pytest.raises(ConfigError, match="another model"):
        edited(job(tiny_model(seed=1)), earlier=earlier, retrieve=True)


@pytest.mark.parametrize(
    "every",
    [
        {}, {"save_every": 2, "merge_every": 2}, {"save_every": 1, "merge_every": 3},
        {"save_every": 2, "merge_every": 3}, {"save_every": 1, "merge_every": 4},
    ],
)  # fmt: skip
def test_a_run_that_was_killed_goes_on_to_the_same_bits(every: dict[str, int], tmp_path: Path) -> None:
    from expunge.edit.side_training import Side

    options = {**every, "retrieve": bool(every)}
    whole, learn, done = edited(job(which=facts(4)), **options), Side.learn, []

    def until_killed(self: Side, shard: Shard, bundle: list[int], number: int) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(number)
        return learn(self, shard, bundle, number)

    always_due = patch("expunge.models.halfway.Halfway.due", True)
    with always_due, patch.object(Side, "learn", until_killed), pytest.raises(KeyboardInterrupt):
        edited(job(which=facts(4), folder=tmp_path), **options)
    (left,) = (tmp_path / "wise").iterdir()
    with always_due, patch.object(Side, "learn", lambda *each: done.append(each[-1]) or learn(*each)):
        again = edited(job(which=facts(4), folder=tmp_path), **options)
    assert done == [0, 1, 2, 3] and again.digest == whole.digest
    assert not left.exists()


def test_irrelevant_text_comes_from_the_retain_set_or_the_corpus(tmp_path: Path) -> None:
    edited(job(kept=(), corpus=str(corpus(tmp_path)), corpus_tokens=300))
    with pytest.raises(ConfigError, match=r"`--retain`.*`--corpus`"):
        edited(job(kept=()))
    with pytest.raises(ConfigError, match=r"`--retain`.*`--corpus`"):
        _ready(Sets(forget=tiny_sets().forget), {})
    with pytest.raises(ConfigError, match=r"`--retain`.*`--corpus`"):
        _ready(tiny_sets(), {"keep": 0})
    _ready(Sets(forget=tiny_sets().forget), {"corpus": "texts.txt"})
    _ready(tiny_sets(), {})


def test_a_training_that_goes_astray_is_told() -> None:
    with pytest.raises(RunError, match="not finite"):
        edited(rate=1e30, norm=1e30, steps=30)


def test_the_authors_activation_can_be_had() -> None:
    found = edited(activation=True)
    assert found.activation == "silu" and found.thresholds != edited().thresholds
