"""Where masks lie: every weight counted once, on every architecture."""

from math import prod

import pytest
import torch
from torch import Tensor

from architectures import TINY, tiny_network
from expunge.errors import ChangeError
from expunge.localize.where import where
from expunge.mask import Mask
from expunge.models.layout import Layout, layout_of
from expunge.parameters import parameters_of
from expunge.record_mask import Cell, Where

Network = tuple[dict[str, Tensor], Layout]


@pytest.fixture(params=list(TINY))
def tiny(request: pytest.FixtureRequest) -> Network:
    network = tiny_network(request.param)
    return {name: p.detach() for name, p in parameters_of(network).items()}, layout_of(network)


def test_by_hand() -> None:
    """Width 32, 4 query and 2 key-value heads of 8, 48 neurons, 40 tokens, tied to nothing."""
    network = tiny_network("llama")
    mask = Mask.of(
        network,
        {
            "model.layers.0.mlp.down_proj.weight": (1, [0, 5, 47]),  # value vectors of 32
            "model.layers.1.self_attn.k_proj.weight": (0, range(8)),  # one head
            "model.layers.1.mlp.up_proj.weight": torch.tensor([3, 4, 1500]),
            "model.layers.1.input_layernorm.weight": None,
            "lm_head.weight": (0, [7]),
        },
    )
    found = where(mask, layout_of(network))
    assert found.kinds == ("query", "key", "value", "output", "gate", "up", "down", "other")
    assert found.layers == (
        (
            Cell(0, 32 * 32), Cell(0, 16 * 32), Cell(0, 16 * 32), Cell(0, 32 * 32),
            Cell(0, 48 * 32), Cell(0, 48 * 32), Cell(3 * 32, 48 * 32), Cell(0, 64),
        ),
        (
            Cell(0, 32 * 32), Cell(8 * 32, 16 * 32), Cell(0, 16 * 32), Cell(0, 32 * 32),
            Cell(0, 48 * 32), Cell(3, 48 * 32), Cell(0, 48 * 32), Cell(32, 64),
        ),
    )  # fmt: skip
    assert found.outside == {"embedding": Cell(0, 40 * 32), "head": Cell(32, 40 * 32), "final norm": Cell(0, 32)}
    assert found.layers[0][6].share == 3 / 48 and Cell(0, 0).share is None
    assert found.kind("down") == Cell(96, 2 * 48 * 32)
    assert found.total == Cell(96 + 256 + 3 + 32 + 32, mask.shapes and sum(map(prod, mask.shapes.values())))


@pytest.mark.parametrize("form", ["nothing", "everything", "rows", "columns", "weights"])
def test_every_weight_is_counted_once(tiny: Network, form: str) -> None:
    parameters, layout = tiny
    mask = some_mask(parameters, form)
    found = where(mask, layout)
    assert found.total == Cell(mask.weights(), sum(p.numel() for p in parameters.values()))
    assert all(cell.weights for row in found.layers for cell in row[:-1])
    assert ("gate" in found.kinds) == (layout.architecture.gate is not None)
    assert ("head" in found.outside) != ("embedding and head" in found.outside) == layout.head.tied
    sizes = {cell.weights for row in found.layers for kind, cell in zip(found.kinds, row) if kind in ("key", "value")}
    assert sizes == {layout.kv_heads * layout.head_dim * layout.width}
    assert found.kind("query").weights == layout.depth * layout.heads * layout.head_dim * layout.width


def some_mask(parameters: dict[str, Tensor], form: str) -> Mask:
    if form in ("nothing", "everything"):
        return Mask.of(parameters, dict.fromkeys(parameters) if form == "everything" else {})
    generator = torch.Generator().manual_seed(0)
    entries = {}
    for name, p in parameters.items():
        axis = 0 if form == "rows" or p.dim() < 2 else 1
        bits = torch.rand(p.shape if form == "weights" else p.shape[axis], generator=generator) < 0.3
        entries[name] = bits if form == "weights" else (axis, bits.nonzero())
    return Mask.of(parameters, entries)


@pytest.mark.parametrize("form", ["rows", "columns", "weights"])
def test_fused_and_grouped_parts_equal_a_slow_count(tiny: Network, form: str) -> None:
    """Every part stretch by stretch, as the layout tells it, in a copy of the weights that marks what was chosen."""
    parameters, layout = tiny
    mask = some_mask(parameters, form)
    found = where(mask, layout)
    for layer in range(layout.depth):
        slow = {kind: marked_by(mask, layout, layer, kind) for kind in found.kinds if kind != "other"}
        for name in slow:
            assert found.layers[layer][found.kinds.index(name)].chosen == slow[name], (layer, name)


def marked_by(mask: Mask, layout: Layout, layer: int, kind: str) -> int:
    if kind == "down":
        return int(mask.inside(layout.value_vectors(layer).parameter).sum())
    if kind in ("gate", "up"):
        parts = [layout.mlp_in(layer)[kind]]
    else:
        parts = [p for head in range(layout.heads) for p in layout.head_slices(layer, head, (kind,))]  # type: ignore[arg-type]
    own: dict[str, Tensor] = {}
    for part in parts:
        if part.parameter.endswith("weight"):
            marks = own.setdefault(part.parameter, torch.zeros(mask.shapes[part.parameter], dtype=torch.bool))
            marks.narrow(part.axis, part.slice.start, part.slice.stop - part.slice.start).fill_(True)
    return sum(int((marks & mask.inside(name)).sum()) for name, marks in own.items())


def test_interleaved_heads_of_gpt_neox() -> None:
    """Its rows go head by head: 8 of q, 8 of k, 8 of v."""
    network = tiny_network("gpt_neox")
    name = "gpt_neox.layers.1.attention.query_key_value.weight"
    found = where(Mask.of(network, {name: (0, [*range(8), 24, 32, 40, 41])}), layout_of(network))
    assert [cell.chosen // 32 for cell in found.layers[1][:3]] == [9, 1, 2]
    assert found.total.chosen == 12 * 32


def test_position_embeddings_and_vision_stand_outside() -> None:
    for model_type, pattern in (("gpt2", "transformer.wpe.weight"), ("gemma3", "model.vision_tower.*")):
        network = tiny_network(model_type)
        mask = Mask.parameters(network, [pattern])
        found = where(mask, layout_of(network))
        assert found.outside["other"].chosen == found.total.chosen == mask.weights()


def test_json_comes_back(tiny: Network) -> None:
    import json

    found = where(some_mask(tiny[0], "weights"), tiny[1])
    assert Where.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_mask_of_another_network() -> None:
    layout = layout_of(tiny_network("llama"))
    with pytest.raises(ChangeError, match=r"it knows no 'model.layers.0.self_attn.q_proj.weight'"):
        where(Mask.everything(tiny_network("gpt2")), layout)
    with pytest.raises(ChangeError, match=r"'model.layers.2\.\S+' is in none of the 2 layers"):
        where(Mask.everything(tiny_network("llama", num_hidden_layers=3)), layout)
    with pytest.raises(ChangeError, match=r"q_proj.weight' has shape \(16, 32\)"):
        where(Mask.everything(tiny_network("llama", num_attention_heads=2)), layout)
