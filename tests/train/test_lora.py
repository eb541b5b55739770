"""Adapters within a mask: units along one axis change, and what the mask leaves out keeps its bits."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from expunge.change import WeightChange
from expunge.change.adapters import merged
from expunge.config import FinetuneConfig
from expunge.errors import ConfigError
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.train import lora
from expunge.train.finetune import fit
from expunge.train.trained import Trained
from expunge.train.unlearn import train
from steps import assert_same_bits, bits, settings, unequal_sets
from tiny import tiny_model, tiny_sets

# value vectors (inputs), rows of the query projection (outputs), a whole matrix; and what adapters do not reach
CHOSEN: dict[str, dict[str, tuple[int, list[int]] | None]] = {
    "llama": {
        "model.layers.0.mlp.down_proj.weight": (1, [0, 3, 40]),
        "model.layers.1.self_attn.q_proj.weight": (0, [8, 9, 31]),
        "model.layers.1.mlp.up_proj.weight": None,
        "model.norm.weight": None,
    },
    "gpt2": {
        "transformer.h.0.mlp.c_proj.weight": (0, [0, 3, 40]),
        "transformer.h.1.attn.c_attn.weight": (1, [8, 9, 95]),
        "transformer.h.1.mlp.c_fc.weight": None,
        "transformer.ln_f.weight": None,
    },
}
HARD = {"lora": 3, "weight_decay": 0.3, "clip": 0.1, "max_steps": 4, "learning_rate": 1e-2, "batch_size": 2}


def mask_of(model: Model, arch: str) -> Mask:
    return Mask.of(model.network, CHOSEN[arch])


def paths(arch: str) -> list[str]:
    """The module of the inputs, of the outputs and of the whole matrix."""
    return [name.removesuffix(".weight") for name in CHOSEN[arch]][:3]


def units(arch: str) -> list[list[int]]:
    return [entry[1] for entry in CHOSEN[arch].values() if entry is not None]


def factor(model: Model, path: str, side: str) -> Tensor:
    return model.network.get_parameter(f"{path}.lora_{side}.default.weight").detach()


def with_negative_zeros(arch: str, dtype: torch.dtype) -> Model:
    """Every fourth column of every matrix is -0.0, so that adding nothing must be no sum."""
    model = tiny_model(arch=arch)
    model.network.to(dtype)
    with torch.no_grad():
        for parameter in model.network.parameters():
            if parameter.ndim == 2:
                parameter[:, ::4] = -0.0
    return model


def assert_kept(start: dict[str, Tensor], now: dict[str, Tensor], mask: Mask) -> None:
    """Nothing outside the mask has moved; inside it something has, in every matrix that adapters reach."""
    for name, value in now.items():
        inside = mask.inside(name)
        assert_same_bits({name: value[~inside]}, {name: start[name][~inside]})
        if name in mask and value.ndim == 2:
            units = mask[name]
            moved = (value != start[name]).any(1 if units is not None and units.axis == 0 else 0)
            assert moved.sum() == (len(moved) if units is None else len(units.index))


@pytest.mark.parametrize("kind", ["unlearn", "finetune"])
def test_what_adapters_cannot_reach_is_told(kind: str) -> None:
    """A block's norms are in a mask of layers, and adapters change its matrices only."""
    model = tiny_model()
    units = units_of(model, "layers")
    block = units.mask(torch.arange(units.count) == 1)
    trained = trained_within(model, block, (), kind)
    norms = set(block) - set(trained.change.names)
    assert norms == {f"model.layers.1.{name}_layernorm.weight" for name in ("input", "post_attention")}
    assert trained.notes == (
        "adapters change the linear layers of the blocks only: 2 of 9 tensors of the mask stay as they are, the first "
        "is model.layers.1.input_layernorm.weight",
    )
    assert not trained_within(model, block - Mask.parameters(model.network, norms), (), kind).notes


@pytest.mark.parametrize("rank", [None, 2])
def test_a_mask_of_nothing(rank: int | None) -> None:
    model = tiny_model()
    nothing = Mask.of(model.network, {})
    with pytest.raises(ConfigError, match="the mask holds no weight"):
        train(model, tiny_sets(), settings("npo", lora=rank), mask=nothing)
    with pytest.raises(ConfigError, match="the mask holds no weight"):
        fit(model, unequal_sets().forget, FinetuneConfig(lora=rank), lambda _: 0.0, mask=nothing)


def trained_within(model: Model, mask: Mask, wrap: tuple[str, ...], kind: str) -> Trained:
    if kind == "unlearn":
        return train(model, tiny_sets(), settings("npo", wrap=wrap, **HARD), mask=mask)
    return fit(model, unequal_sets().forget, FinetuneConfig(**HARD), lambda _: 0.0, mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("kind", "wrap"), [("unlearn", ()), ("unlearn", ("sam", "gru", "lat")), ("finetune", ())],
    ids=["plain", "wrapped", "finetune"],
)  # fmt: skip
@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_bits_outside_a_mask_stay(
    arch: str, kind: str, wrap: tuple[str, ...], dtype: torch.dtype, tmp_path: Path
) -> None:
    """With weight decay; through applying, saving, loading and reverting, and as an adapter of PEFT."""
    model = with_negative_zeros(arch, dtype)
    start, mask = bits(model), mask_of(model, arch)
    trained = trained_within(model, mask, wrap, kind)
    assert trained.change.kind == "low-rank"
    assert_same_bits(start, bits(model))
    assert list(trained.change.names) == [name for name in start if name in mask and start[name].ndim == 2]
    with trained.change.applied_to(model):
        result = bits(model)
    assert_kept(start, result, mask)
    with trained.change.scaled(1.7).applied_to(model):
        assert_kept(start, bits(model), mask)
    trained.change.save(tmp_path / "change.safetensors")
    loaded = WeightChange.load(tmp_path / "change.safetensors")
    loaded.apply_to(model)
    assert_same_bits(result, bits(model))
    loaded.revert_from(model)
    assert_same_bits(start, bits(model))
    loaded.save_peft(tmp_path / "adapter")
    on_top = PeftModel.from_pretrained(model.network, str(tmp_path / "adapter"))
    assert_same_bits(result, {name: p.detach() for name, p in merged(on_top).named_parameters()})


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_the_factors_are_zero_outside_at_every_step(arch: str) -> None:
    model = tiny_model(arch=arch)
    inputs, outputs, whole = paths(arch)
    seen: list[list[list[int]]] = []

    def watch(*_: object) -> None:
        """Which columns of A and rows of B are not zero."""
        a, b = ({path: factor(model, path, side) for path in paths(arch)} for side in "AB")
        columns = [(a[path] != 0).any(0).nonzero().flatten().tolist() for path in (inputs, outputs, whole)]
        rows = [(b[path] != 0).any(1).nonzero().flatten().tolist() for path in (outputs, inputs, whole)]
        seen.append([columns[0], rows[0], *columns[1:], *rows[1:]])

    train(model, tiny_sets(), settings("npo", **HARD), mask=mask_of(model, arch), tick=watch)
    width, d_ff = model.layout.width, model.layout.d_ff
    assert len(seen) == 4
    for chosen_inputs, chosen_outputs, *rest in seen:
        assert [chosen_inputs, chosen_outputs] == units(arch)
        assert [len(each) for each in rest] == [width, width, width, d_ff]


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_an_adapter_starts_as_for_a_layer_with_the_chosen_inputs(arch: str) -> None:
    """Uniform within ±1/√k for k inputs: of variance 1 / 3k."""
    model = tiny_model(arch=arch)
    with lora.adapted(model, 64, seed=0, mask=mask_of(model, arch)):
        start = [factor(model, path, "A").clone() for path in paths(arch)]
    for drawn, k in zip(start, (3, model.layout.width, model.layout.width), strict=True):
        drawn = drawn[drawn != 0]
        assert len(drawn) == 64 * k
        assert 0.98 * k**-0.5 < drawn.abs().max() <= k**-0.5
        assert drawn.var().item() == pytest.approx(1 / (3 * k), rel=0.2)


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_a_mask_over_the_factors(arch: str) -> None:
    """Input units of W are columns of A, output units rows of B; GPT-2's matrices are transposed."""
    model = tiny_model(arch=arch)
    mask = mask_of(model, arch)
    with lora.adapted(model, 2, seed=0, mask=mask) as wrapped:
        region = lora.region(wrapped, mask)
        assert lora.region(wrapped, None) is None
    assert region is not None and len(region) == 6
    found = {name: entry and (entry.axis, entry.index.tolist()) for name in region for entry in [region[name]]}
    inputs, outputs, _ = (f"base_model.model.{path}" for path in paths(arch))
    assert found.pop(f"{inputs}.lora_A.default.weight") == (1, units(arch)[0])
    assert found.pop(f"{outputs}.lora_B.default.weight") == (0, units(arch)[1])
    assert set(found.values()) == {None}


def test_single_weights_are_refused() -> None:
    model = tiny_model()
    name = "model.layers.0.mlp.down_proj.weight"
    mask = Mask.of(model.network, {name: torch.tensor([0, 50])})
    for act in (
        lambda: train(model, tiny_sets(), settings("npo", lora=2), mask=mask),
        lambda: fit(model, unequal_sets().forget, FinetuneConfig(lora=2), lambda _: 0.0, mask=mask),
    ):
        with pytest.raises(ConfigError, match=f"single weights of {name}.*leave out `lora`"):
            act()
    assert all(parameter.requires_grad for parameter in model.network.parameters())
