"""Weight changes: exact to the bit in both directions, refused by other models, and the algebra on them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from expunge.change import Attachment, WeightChange
from expunge.change.bits import bits, digest, same
from expunge.errors import ChangeError
from expunge.mask import Mask
from tiny import tiny_model

TYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
SPECIAL = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-45, -1e-40, 6e-8, 3.4e38, 1.0, -1.0]


def is_same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(same(a, b).all())


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def equal(network: nn.Module, tensors: dict[str, Tensor]) -> bool:
    return all(is_same(p.detach(), tensors[name]) for name, p in network.named_parameters())


@torch.no_grad()
def jitter(network: nn.Module, seed: int = 1, mask: Mask | None = None, scale: float = 0.05) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, p in network.named_parameters():
        moved = torch.randn(p.shape, generator=generator) * scale
        p += moved if mask is None else moved * mask.inside(name)


def pair(
    seed: int = 1, mask: Mask | None = None
) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor], WeightChange]:
    """A network that is the base, the base's tensors, the result's tensors, and the change between them."""
    network = tiny_model(attention="sdpa").network
    base = snapshot(network)
    jitter(network, seed, mask)
    result = snapshot(network)
    change = WeightChange.between(base, network, mask)
    with torch.no_grad():
        for name, p in network.named_parameters():
            p.copy_(base[name])
    return network, base, result, change


patterns = {
    torch.float32: st.integers(-(2**31), 2**31 - 1),
    torch.bfloat16: st.integers(-(2**15), 2**15 - 1),
    torch.float16: st.integers(-(2**15), 2**15 - 1),
    torch.float64: st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def tensor_pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Any bit patterns at all: NaNs with payloads, infinities, -0.0, denormals; equal in some places."""
    dtype = draw(st.sampled_from(TYPES))
    shape = draw(st.sampled_from([(), (5,), (3, 4), (1, 6), (2, 3, 2), (0,), (0, 3)]))
    count = torch.Size(shape).numel()
    special = bits(torch.tensor(SPECIAL, dtype=dtype)).tolist()
    one = st.one_of(patterns[dtype], st.sampled_from(special))
    first = draw(st.lists(one, min_size=count, max_size=count))
    second = [draw(st.one_of(st.just(x), one)) for x in first]
    kind = bits(torch.empty(0, dtype=dtype)).dtype
    before, after = (torch.tensor(x, dtype=kind).reshape(shape).view(dtype) for x in (first, second))
    return before, after


@given(tensor_pairs(), tensor_pairs())
@settings(max_examples=120, deadline=None)
def test_apply_and_revert_are_exact_for_every_bit_pattern(
    one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor]
) -> None:
    base, result = {"one": one[0], "two": two[0]}, {"one": one[1], "two": two[1]}
    change = WeightChange.between(base, result)
    weights = {name: tensor.clone() for name, tensor in base.items()}
    change.apply_to(weights)
    assert all(is_same(weights[n], result[n]) for n in base)
    change.revert_from(weights)
    assert all(is_same(weights[n], base[n]) for n in base)
    for multiple in (change.scaled(1.0), change.scaled(0.5) + change.scaled(0.5)):
        with multiple.applied_to(weights):
            assert all(is_same(weights[n], result[n]) for n in base)
    for multiple in (change.scaled(2.0), change.scaled(0.0), -change, change - change):
        with multiple.applied_to(weights):
            untouched = {n: same(base[n], result[n]) for n in base}
            assert all(same(weights[n], base[n])[untouched[n]].all() for n in base)
        assert all(is_same(weights[n], base[n]) for n in base)


@given(pair=tensor_pairs())
@settings(max_examples=40, deadline=None)
def test_files_are_exact_too(tmp_path_factory: pytest.TempPathFactory, pair: tuple[Tensor, Tensor]) -> None:
    path = tmp_path_factory.mktemp("change") / "c.safetensors"
    WeightChange.between({"w": pair[0]}, {"w": pair[1]}).save(path)
    weights = {"w": pair[0].clone()}
    change = WeightChange.load(path)
    change.apply_to(weights)
    assert is_same(weights["w"], pair[1])
    change.revert_from(weights)
    assert is_same(weights["w"], pair[0])


@pytest.mark.parametrize("dtype", TYPES)
def test_a_float_delta_would_not_undo_but_this_does(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    base = {"w": torch.randn(64, 64, generator=generator, dtype=torch.float64).to(dtype)}
    result = {"w": base["w"] + (torch.randn(64, 64, generator=generator, dtype=torch.float64) * 0.1).to(dtype)}
    assert not is_same(result["w"] - (result["w"] - base["w"]), base["w"])
    change = WeightChange.between(base, result)
    weights = {"w": base["w"].clone()}
    change.apply_to(weights)
    change.revert_from(weights)
    assert is_same(weights["w"], base["w"])


def test_a_network_with_tied_weights() -> None:
    network, base, result, change = pair()
    assert "lm_head.weight" not in change.names and change.base.ties == {"lm_head.weight": "model.embed_tokens.weight"}
    change.apply_to(network)
    assert equal(network, result)
    assert network.lm_head.weight is network.model.embed_tokens.weight
    change.revert_from(network)
    assert equal(network, base)
    assert change.kind == "dense" and len(change.names) == len(base)


def test_a_head_that_is_tied_on_one_side_only() -> None:
    """The base's tensors decide: what it has apart is compared apart, and what it ties the result must tie."""
    e, h = torch.randn(4, 3), torch.randn(4, 3)
    tied = lambda tensor: {"emb": tensor, "head": tensor}
    with pytest.raises(ChangeError, match="head is tied to emb in the base, and has values of its own"):
        WeightChange.between(tied(e), {"emb": e + 1, "head": e + 5})
    assert WeightChange.between(tied(e), {"emb": e + 1, "head": (e + 1).clone()}).names == ("emb",)
    assert WeightChange.between(tied(e), {"emb": e + 1}).names == ("emb",)
    turned = {"head": e + 1}
    turned["emb"] = turned["head"]  # the same, but stored under the other name first
    assert WeightChange.between(tied(e), turned).names == ("emb",)
    for head in (h, e.clone()):  # also a copy of the embedding must not stay behind
        model = {"emb": e.clone(), "head": head.clone()}
        change = WeightChange.between(model, tied(e + 1))
        assert change.names == ("emb", "head") and not change.base.ties
        change.apply_to(model)
        assert all(torch.equal(weight, e + 1) for weight in model.values())


def test_only_what_is_touched_is_stored(tmp_path: Path) -> None:
    network = tiny_model(attention="sdpa").network
    down = {f"model.layers.{i}.mlp.down_proj.weight": (1, [3, 7]) for i in range(2)}
    mask = Mask.of(network, {**down, "model.norm.weight": (0, [5]), "model.embed_tokens.weight": (0, [2])})
    network, _, result, change = pair(mask=mask)
    assert change.kind == "indexed" and set(change.names) == set(mask)
    change.save(tmp_path / "c.safetensors")
    tensors = change.stored.parts()[1] if change.stored else {}
    assert tensors["xor:model.layers.0.mlp.down_proj.weight"].shape == (32, 2)
    assert tensors["index:model.layers.0.mlp.down_proj.weight"].tolist() == [3, 7]
    assert sum(t.numel() for key, t in tensors.items() if key.startswith("xor:")) == 2 * 2 * 32 + 1 + 32
    WeightChange.load(tmp_path / "c.safetensors").apply_to(network)
    assert equal(network, result)


def test_a_change_outside_the_mask_is_refused() -> None:
    network = tiny_model(attention="sdpa").network
    base = snapshot(network)
    jitter(network)
    with pytest.raises(ChangeError, match="differs outside the mask"):
        WeightChange.between(base, network, Mask.parameters(network, ["model.norm.weight"]))


def test_another_model_is_refused_and_stays_as_it_was() -> None:
    _, _, _, change = pair()
    other = tiny_model(seed=5, attention="sdpa").network
    before = snapshot(other)
    with pytest.raises(
        ChangeError, match=r"(?s)model\.embed_tokens\.weight holds other values.*and \d+ more.*very model"
    ):
        change.apply_to(other)
    assert equal(other, before)
    with pytest.raises(ChangeError, match="holds other values"):
        with change.applied_to(other):
            raise AssertionError("never runs")


def test_errors_name_what_is_wrong() -> None:
    network, base, result, change = pair()
    with pytest.raises(ChangeError, match="The change is not in this model"):
        change.revert_from(network)
    change.apply_to(network)
    with pytest.raises(ChangeError, match="The change is in this model already"):
        change.apply_to(network)
    with torch.no_grad():
        network.model.norm.weight[0] += 1
    with pytest.raises(ChangeError, match=r"1 of \d+ tensors .* model\.norm\.weight holds other values"):
        change.revert_from(network)
    with pytest.raises(ChangeError, match=r"model\.norm\.weight is missing"):
        change.apply_to({n: t for n, t in base.items() if "model.norm" not in n})
    with pytest.raises(ChangeError, match=r"shape \(31,\) instead of \(32,\)"):
        change.apply_to({**base, "model.norm.weight": torch.zeros(31)})
    with pytest.raises(ChangeError, match="float64: load it in float32"):
        change.apply_to({n: t.double() + 1e-12 for n, t in base.items()})
    with pytest.raises(ChangeError, match="different parameters"):
        WeightChange.between(result, {"x": torch.zeros(1)})


def test_a_wider_model_takes_the_change_of_a_narrower_one_exactly() -> None:
    narrow = {"w": torch.randn(8, 8).bfloat16()}
    result = {"w": (narrow["w"] * 1.1).bfloat16()}
    change = WeightChange.between(narrow, result)
    wide = {"w": narrow["w"].float()}
    change.apply_to(wide)
    assert is_same(wide["w"], result["w"].float())
    change.revert_from(wide)
    assert is_same(wide["w"], narrow["w"].float())
    finer = WeightChange.between({"w": narrow["w"].float()}, {"w": narrow["w"].float() * 1.001})
    with pytest.raises(ChangeError, match="bfloat16: load it in float32"):
        finer.apply_to({"w": narrow["w"].clone()})
    assert WeightChange.between(narrow, {"w": narrow["w"].float() * 1.001}).base.id == finer.base.id


@pytest.mark.parametrize("factor", [None, 1.0, 1.5, -0.3])
def test_applied_to_restores_after_an_error(factor: float | None) -> None:
    network, base, result, change = pair()
    change = change if factor is None else change.scaled(factor)

    def use() -> None:
        with change.applied_to(network):
            assert equal(network, result) == (factor in (None, 1.0))
            with torch.no_grad():
                network.model.norm.weight.zero_()  # also what the block did to a touched tensor is undone
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert equal(network, base)


def test_an_error_half_way_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    network, base, _, change = pair()
    original, calls = WeightChange.after, []

    def fails(self: WeightChange, name: str, before: Tensor) -> Tensor:
        calls.append(name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, name, before)

    monkeypatch.setattr(WeightChange, "after", fails)
    with pytest.raises(KeyboardInterrupt):
        change.apply_to(network)
    assert equal(network, base)


def test_scaling_follows_uipe() -> None:
    network, base, result, change = pair()
    for alpha in (0.25, 1.0, 2.0):
        with change.scaled(1 + alpha).applied_to(network):
            now = snapshot(network)
        for name in base:
            v = result[name] - base[name]
            torch.testing.assert_close(now[name], result[name] + alpha * v, rtol=0, atol=0)
        moved = torch.cat([(now[n] - base[n]).flatten() for n in base]).norm().item()
        assert moved == pytest.approx((1 + alpha) * change.norm(), rel=1e-5)
        assert change.scaled(1 + alpha).norm() == pytest.approx((1 + alpha) * change.norm())
    with change.scaled(1.0).applied_to(network):
        assert equal(network, result)
    with change.scaled(0.0).applied_to(network):
        assert equal(network, base)
    with (change.scaled(3.0) - change.scaled(2.0)).applied_to(network):
        assert equal(network, result)
    assert change.scaled(2.0).scaled(0.5).kind == "dense"
    name = change.names[0]
    torch.testing.assert_close((-change).delta(name, base[name]), -change.delta(name, base[name]), rtol=1e-6, atol=1e-7)
    assert change.delta(name, base[name]).dtype == torch.float32


def test_masking_and_addition() -> None:
    network, base, result, change = pair()
    mask = Mask.parameters(network, ["model.layers.0.*"]) | Mask.of(network, {"model.norm.weight": (0, [1, 2])})
    part, rest = change.masked(mask), change.masked(~mask)
    with part.applied_to(network):
        assert all(
            is_same(p.detach(), torch.where(mask.inside(n), result[n], base[n])) for n, p in network.named_parameters()
        )
    with (part + rest).applied_to(network):
        assert equal(network, result)  # disjoint parts are put together without arithmetic
    with (rest + part).applied_to(network):
        assert equal(network, result)
    assert set(part.names) == set(mask)
    other = pair(seed=2)[3]
    with (change + other).applied_to(network):
        now = snapshot(network)
    for name in base:
        expected = change.delta(name, base[name]) + other.delta(name, base[name])
        torch.testing.assert_close(now[name] - base[name], expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ChangeError, match="for different models"):
        _ = change + WeightChange.between({"w": torch.zeros(2)}, {"w": torch.ones(2)})
    with pytest.raises(ChangeError, match="for another network"):
        change.masked(Mask({"w": (2,)}, {}))


def test_norms() -> None:
    base, result = (
        {"w": torch.tensor([[3.0, 4.0]]), "b": torch.zeros(2)},
        {"w": torch.tensor([[3.0, 4.5]]), "b": torch.ones(2)},
    )
    norms = WeightChange.between(base, result).norms()
    assert norms["w"] == (0.5, 0.1)
    assert norms["b"] == (pytest.approx(2**0.5), float("inf"))


def test_a_computed_change_is_sealed_to_be_saved(tmp_path: Path) -> None:
    network, base, result, change = pair()
    half = change.scaled(0.5)
    assert half.kind == "computed" and change.kind == "dense"
    half.save(tmp_path / "half.safetensors")  # the base is still at hand
    loaded = WeightChange.load(tmp_path / "half.safetensors")
    with half.applied_to(network):
        expected = snapshot(network)
    loaded.apply_to(network)
    assert equal(network, expected)
    loaded.revert_from(network)
    assert equal(network, base)
    with pytest.raises(ChangeError, match="give the base weights"):
        loaded.scaled(2.0).save(tmp_path / "x.safetensors")
    loaded.scaled(2.0).save(tmp_path / "full.safetensors", base=network)
    with pytest.raises(ChangeError, match="holds other values"):
        loaded.scaled(2.0).save(tmp_path / "y.safetensors", base=result)
    with pytest.raises(ChangeError, match="does not undo by itself"):
        half.revert_from(network)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full.safetensors", "half.safetensors"]
    nothing = WeightChange.load(tmp_path / "half.safetensors").scaled(0.0).sealed()
    nothing.apply_to(network)
    assert equal(network, base)


def test_same_change_same_bytes_and_the_record_comes_back(tmp_path: Path) -> None:
    _, base, result, _ = pair()
    for name in ("a", "b"):
        WeightChange.between(base, result, record={"method": "npo", "steps": 3}).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = WeightChange.load(tmp_path / "a")
    assert loaded.record == {"method": "npo", "steps": 3}
    assert loaded.base == WeightChange.between(base, base).base and loaded.norm() > 0
    assert repr(loaded) == f"WeightChange(dense, {len(base)} of {len(base)} tensors)"


def test_an_error_while_saving_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import expunge.change.header as header

    change = pair()[3]

    def killed(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(header, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        change.save(tmp_path / "c.safetensors")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_change(tmp_path: Path) -> None:
    with pytest.raises(ChangeError, match="cannot read a change"):
        WeightChange.load(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ChangeError, match="cannot read a change"):
        WeightChange.load(tmp_path / "text")
    Mask({"w": (2,)}, {}).save(tmp_path / "mask")
    with pytest.raises(ChangeError, match="holds no change of weights"):
        WeightChange.load(tmp_path / "mask")


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    network, base, _, change = pair()
    change.save(tmp_path / "c")
    content = bytearray((tmp_path / "c").read_bytes())
    content[-3] ^= 1
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(ChangeError, match="the change is damaged"):
        WeightChange.load(tmp_path / "c").apply_to(network)
    assert equal(network, base)


def test_another_process_gets_the_same_bits(tmp_path: Path) -> None:
    network, _, result, change = pair()
    network.save_pretrained(tmp_path / "base")
    change.save(tmp_path / "c.safetensors")
    code = (
        "import sys, torch\n"
        "from transformers import AutoModelForCausalLM\n"
        "from expunge.change import WeightChange\n"
        "from expunge.change.bits import digest\n"
        "network = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "WeightChange.load(sys.argv[2]).apply_to(network)\n"
        "print('\\n'.join(f'{n} {digest(p)}' for n, p in network.named_parameters()))\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "base"), str(tmp_path / "c.safetensors")]
    lines = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
    assert dict(line.split() for line in lines) == {name: digest(t) for name, t in result.items()}


class Memory(Attachment):
    """A side memory that only counts."""

    def attach(self, model: list[str]) -> None:
        model.append("memory")

    def detach(self, model: list[str]) -> None:
        model.remove("memory")

    def save(self, path: str | Path) -> None: ...

    @classmethod
    def load(cls, _path: str | Path) -> "Memory":
        return cls()


def test_arithmetic_on_an_attachment_says_why_not() -> None:
    memory, model = Memory(), []
    with memory.applied_to(model):
        assert model == ["memory"]
    assert not model
    wrong = (
        lambda: memory.scaled(2), lambda: memory + memory, lambda: -memory, lambda: memory.norms(),
        lambda: pair()[3] + memory, lambda: memory.masked(None), lambda: memory.delta("w", None),
    )  # fmt: skip
    for operation in wrong:
        with pytest.raises(ChangeError, match="a Memory is a side memory"):
            operation()
