"""Low-rank changes: deterministic sums, an exact way back, and adapters that plain PEFT reads."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from expunge.arithmetic.apply import apply_to_folder, revert_from_folder
from expunge.arithmetic.folder import Folder
from expunge.change import Factors, WeightChange
from expunge.change.bits import same
from expunge.errors import ChangeError
from expunge.mask import Mask
from tiny import tiny_model

TARGETS = {"llama": ["q_proj", "down_proj"], "gpt2": ["c_attn", "c_proj"]}


def is_same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and bool(same(a, b).all())


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def adapted(arch: str = "llama", **options: object) -> PeftModel:
    """A tiny model with a LoRA adapter whose factors are random."""
    network = tiny_model(arch=arch, attention="sdpa").network
    config = LoraConfig(r=3, lora_alpha=5, target_modules=TARGETS[arch], fan_in_fan_out=arch == "gpt2", **options)
    peft = get_peft_model(network, config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in peft.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.1)
    return peft


def logits(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network(input_ids=torch.arange(3, 12)[None]).logits


def by_hand(weight: Tensor, factors: Factors, factor: float = 1.0) -> Tensor:
    product = factors.b.double() @ factors.a.double() * factors.scaling * factor
    return (weight.double() + (product.T if factors.transposed else product)).to(weight.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("transposed", [False, True])
def test_there_and_back_are_exact(tmp_path: Path, dtype: torch.dtype, transposed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 70, generator=generator), torch.randn(90, 4, generator=generator) * 0.02
    weight = torch.randn((70, 90) if transposed else (90, 70), generator=generator).to(dtype)
    weight[0, :5] = torch.tensor([0.0, -0.0, float("inf"), float("nan"), 1e-45]).to(dtype)
    base = {"w": weight, "other": torch.ones(3)}
    factors = Factors(a, b, 0.7, transposed)
    change = WeightChange.low_rank(base, {"w": factors})
    assert change.kind == "low-rank" and change.names == ("w",)
    change.save(tmp_path / "c")
    for each in (change, WeightChange.load(tmp_path / "c")):
        weights = {name: t.clone() for name, t in base.items()}
        each.apply_to(weights)
        torch.testing.assert_close(weights["w"], by_hand(weight, factors), rtol=1e-2, atol=1e-6, equal_nan=True)
        each.revert_from(weights)
        assert all(is_same(weights[n], t) for n, t in base.items())
    stored = change.stored
    assert stored is not None
    fixes = sum(t.numel() for key, t in stored.parts()[1].items() if key.startswith("xor:"))
    assert 0 < fixes < weight.numel() / 2


def test_the_sum_is_that_of_the_ranks_in_order_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    factors = Factors(torch.randn(5, 33, generator=generator), torch.randn(40, 5, generator=generator), 1 / 3)
    weight = torch.randn(40, 33, generator=generator)
    whole = factors.added_to(weight)
    monkeypatch.setattr("expunge.change.lowrank._BLOCK", 50)
    assert is_same(factors.added_to(weight), whole)
    i, j = 7, 21
    total = float(weight[i, j])
    for rank in range(5):  # in Python's float64, by hand
        total += (float(factors.b[i, rank]) * (1 / 3)) * float(factors.a[rank, j])
    assert float(whole[i, j]) == float(torch.tensor(total, dtype=torch.float64).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_where_a_factor_is_zero_bits_stay(dtype: torch.dtype) -> None:
    """-0.0 + 0 is 0 and a NaN has many forms, so only bits tell; where the factors are not zero, values move."""
    weight = torch.tensor([[-0.0, 1.0, -0.0], [-0.0, float("nan"), 3.0]]).to(dtype)
    weight[0, 2] = torch.tensor(float("nan")).to(dtype).neg()  # another NaN
    a, b = torch.tensor([[1.0, 0.0, 0.0], [-2.0, -0.0, 0.0]]), torch.tensor([[-1.0, 0.5], [0.0, -0.0]])
    for transposed in (False, True):
        base = weight.T.contiguous() if transposed else weight
        new = Factors(a, b, 0.5, transposed).added_to(base)
        moved = (~same(base, new)).nonzero().tolist()
        assert moved == [[0, 0]] and new[0, 0] == -1.0  # 0.5 · (-1 · 1 + 0.5 · -2)
        assert is_same(Factors(a, b, 0.5, transposed).added_to(base, -1.0)[1:], base[1:])


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_an_adapter_of_peft_becomes_a_change_and_back(tmp_path: Path, arch: str) -> None:
    peft = adapted(arch)
    expected = logits(peft)
    change = WeightChange.from_peft(peft, record={"rank": 3})
    network = tiny_model(arch=arch, attention="sdpa").network  # a fresh one, without PEFT
    before = snapshot(network)
    assert set(change.base.stamps) == set(before)
    with change.applied_to(network):
        torch.testing.assert_close(logits(network), expected, rtol=1e-4, atol=1e-4)
    assert (logits(network) - expected).abs().max() > 1e-2
    change.save(tmp_path / "c.safetensors")
    WeightChange.load(tmp_path / "c.safetensors").save_peft(tmp_path / "adapter", "tiny")
    loaded = PeftModel.from_pretrained(tiny_model(arch=arch, attention="sdpa").network, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded), expected, rtol=1e-6, atol=1e-6)
    change.apply_to(network)
    change.revert_from(network)
    assert all(is_same(p.detach(), before[name]) for name, p in network.named_parameters())


def test_scaling_multiplies_the_scaling(tmp_path: Path) -> None:
    peft = adapted()
    change = WeightChange.from_peft(peft)
    network = tiny_model(attention="sdpa").network
    name = change.names[0]
    stored = change.stored
    assert stored is not None
    factors = stored.factors(name)  # type: ignore[attr-defined]
    base = dict(network.named_parameters())[name].detach()
    expected = by_hand(base, factors, 1.5)
    assert (change.scaled(1.5).after(name, base) - expected).abs().max() < 1e-6
    change.scaled(1.5).save(tmp_path / "c.safetensors")
    loaded = WeightChange.load(tmp_path / "c.safetensors")
    assert loaded.kind == "low-rank"
    assert loaded.stored.factors(name).scaling == pytest.approx(2.5)  # type: ignore[union-attr]
    assert is_same(loaded.after(name, base), change.scaled(1.5).after(name, base))
    change.scaled(2.0).save_peft(tmp_path / "adapter")
    twice = PeftModel.from_pretrained(tiny_model(attention="sdpa").network, str(tmp_path / "adapter"))
    with change.scaled(2.0).applied_to(network):
        torch.testing.assert_close(logits(twice), logits(network), rtol=1e-4, atol=1e-4)


def test_a_masked_low_rank_change_is_no_longer_one(tmp_path: Path) -> None:
    change = WeightChange.from_peft(adapted())
    network = tiny_model(attention="sdpa").network
    name = change.names[0]
    part = change.masked(Mask.of(network, {name: (0, [1, 2])}))
    part.save(tmp_path / "c.safetensors", base=network)
    assert WeightChange.load(tmp_path / "c.safetensors").kind == "indexed"
    with pytest.raises(ChangeError, match="is not a low-rank one"):
        part.save_peft(tmp_path / "adapter")
    with part.applied_to(network):
        moved = dict(network.named_parameters())[name].detach().clone()
    rows = (moved != dict(network.named_parameters())[name]).any(1).nonzero().flatten()
    assert rows.tolist() == [1, 2]


def test_ranks_and_scalings_may_differ(tmp_path: Path) -> None:
    peft = adapted(rank_pattern={"layers.1.self_attn.q_proj": 2}, alpha_pattern={"layers.0.mlp.down_proj": 11})
    change = WeightChange.from_peft(peft)
    change.save_peft(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(tiny_model(attention="sdpa").network, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded), logits(peft), rtol=1e-6, atol=1e-6)


def test_low_rank_changes_stream(tmp_path: Path) -> None:
    peft = adapted()
    network = tiny_model(attention="sdpa").network
    network.save_pretrained(tmp_path / "base", max_shard_size="20KB")
    change = WeightChange.from_peft(peft)
    apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    with change.applied_to(network):
        assert all(is_same(tensor, network.get_parameter(n)) for n, tensor in Folder(tmp_path / "new").items())
    revert_from_folder(tmp_path / "new", change, tmp_path / "old")
    assert all(is_same(tensor, network.get_parameter(n)) for n, tensor in Folder(tmp_path / "old").items())


def test_what_is_not_two_factors_is_refused() -> None:
    with pytest.raises(ChangeError, match="more than two factors"):
        WeightChange.from_peft(adapted(use_dora=True))
    with pytest.raises(ChangeError, match="no LoRA adapter called 'other'"):
        WeightChange.from_peft(adapted(), "other")
    with pytest.raises(ChangeError, match=r"also trains .*modules_to_save"):
        WeightChange.from_peft(adapted(modules_to_save=["norm"]))
    factors = {"w": Factors(torch.zeros(1, 2), torch.zeros(3, 1))}
    with pytest.raises(ChangeError, match=r"of w has shape \(3, 2\), not \(2, 2\)"):
        WeightChange.low_rank({"w": torch.zeros(2, 2)}, factors)
    with pytest.raises(ChangeError, match="names 'w', which the model does not have"):
        WeightChange.low_rank({"v": torch.zeros(2, 2)}, factors)
