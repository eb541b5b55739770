"""Wires against what they must give: nothing patched is the run itself, all patched the other, one reader alone."""

import pytest
import torch

from architectures import tiny_network
from expunge.circuits.graph import graph_of
from expunge.circuits.wiring import Wires, run, written_by
from expunge.data.convention import Encoded
from expunge.data.forest import Forest, plant
from expunge.errors import ConfigError
from expunge.localize.units import units_of
from expunge.models.layout import layout_of
from expunge.models.model import Model
from steps import assert_same_bits, bits
from tiny import ARCHITECTURES, tiny_model

GRAINS = ("matrices", "heads", "neurons")


def forests() -> tuple[Forest, Forest]:
    clean = [(3, 4, 5, 17, 7, 20, 28), (3, 4, 5, 18, 29)]
    corrupted = [(3, 4, 5, 19, 7, 21, 28), (3, 4, 6, 22, 29)]
    return tuple(plant([[Encoded(ids, len(ids) - 1, "")] for ids in some]) for some in (clean, corrupted))  # type: ignore[return-value]


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_nothing_patched_and_everything(arch: str, grain: str) -> None:
    model = tiny_model(arch=arch)
    before = bits(model)
    graph = graph_of(model, grain, groups=3)
    clean, corrupted = forests()
    written, plain, _ = written_by(model, graph, clean)
    other, there, _ = written_by(model, graph, corrupted)
    assert len(written) == len(graph.writers)
    shape = (len(graph.writers), len(graph.readers))
    with torch.no_grad():
        same = run(model, graph, clean, Wires(torch.ones(shape), other))
        all_patched = run(model, graph, clean, Wires(torch.zeros(shape), other))
        half = run(model, graph, clean, Wires(torch.full(shape, 0.5), other))
    assert torch.equal(same, plain)
    torch.testing.assert_close(all_patched, there, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(half, plain, atol=1e-3) and not torch.allclose(half, there, atol=1e-3)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())
    assert_same_bits(before, bits(model))


def neox(parallel: bool) -> Model:
    """Weights large enough that what attention writes matters."""
    network = tiny_network("gpt_neox", 40, use_parallel_residual=parallel, initializer_range=0.2)
    network.set_attn_implementation("packed")
    return Model(network=network, tokenizer=tiny_model().tokenizer, layout=layout_of(network), name="tiny")


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("parallel", [True, False])
def test_only_edges_that_there_are_count(parallel: bool, grain: str) -> None:
    """In a parallel block the attention has written when the MLP reads, but not into what the MLP reads."""
    model = neox(parallel)
    graph = graph_of(model, grain, groups=3)
    clean, corrupted = forests()
    other, *_ = written_by(model, graph, corrupted)
    keep = (torch.rand(graph.possible.shape, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    with torch.no_grad():
        one, two = (
            run(model, graph, clean, Wires(torch.where(graph.possible, keep, value), other)) for value in (0.0, 1.0)
        )
    assert torch.equal(one, two)


def test_a_parallel_block_and_one_that_is_not() -> None:
    """GPT-NeoX has both kinds; in the parallel one the MLP does not read its attention."""
    for parallel in (True, False):
        model = neox(parallel)
        graph = graph_of(model)
        edges = set(graph.edges(graph.possible))
        assert (("0.o", "0.up") in edges) != parallel and ("0.o", "1.q") in edges
        clean, corrupted = forests()
        other, there, _ = written_by(model, graph, corrupted)
        with torch.no_grad():
            found = run(model, graph, clean, Wires(torch.zeros(len(graph.writers), len(graph.readers)), other))
        torch.testing.assert_close(found, there, rtol=1e-4, atol=1e-4)


def test_one_reader_alone_is_given_the_other_run() -> None:
    """Patching all that reaches the value projection of the last layer is putting its output in, and no more."""
    model = tiny_model()
    graph = graph_of(model)
    clean, corrupted = forests()
    other, *_ = written_by(model, graph, corrupted)
    keep = torch.ones(len(graph.writers), len(graph.readers))
    keep[:, [node.name for node in graph.readers].index("1.v")] = 0
    module = model.network.get_submodule("model.layers.1.self_attn.v_proj")
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        found = run(model, graph, clean, Wires(keep, other))
        handle = module.register_forward_hook(lambda _, __, output: seen.append(output))
        run(model, graph, corrupted, Wires())
        handle.remove()
        handle = module.register_forward_hook(lambda _, __, output: seen[0])
        expected = run(model, graph, clean, Wires())
        handle.remove()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arch", ["llama", "gpt2", "phi3", "gpt_neox"])
def test_nodes_are_the_right_weights(arch: str) -> None:
    """Matrices as localizers see them; a head's o are columns, k and v belong to all heads that share them."""
    model = tiny_model(arch=arch)
    layout = model.layout
    units, graph = units_of(model, "matrices"), graph_of(model)
    names = [node.name for node in graph.nodes if node.parts]
    assert len(names) == units.count
    for i, name in enumerate(names):
        assert graph.mask(model, [name]) == units.mask(torch.arange(units.count) == i), name
    heads = graph_of(model, "heads")
    out = f"{layout.attention_out(0)}.weight"
    mask = heads.mask(model, ["0.o.1"])
    size = layout.head_dim
    assert list(mask) == [out] and mask[out].axis == (0 if layout.architecture.transposed else 1)  # type: ignore[union-attr]
    assert mask[out].index.tolist() == list(range(size, 2 * size))  # type: ignore[union-attr]
    served = [reader for reader, writer in heads.inner if writer == "0.o.3"]
    assert served == ["0.q.3", f"0.k.{3 // layout.groups}", f"0.v.{3 // layout.groups}"]
    whole = heads.mask(model, [node.name for node in heads.nodes if node.layer == 0 and node.kind in "qkvo"])
    assert whole.weights() >= units.mask(torch.arange(units.count) < 4).weights()  # biases go with heads


def test_groups_of_neurons_make_up_the_mlp() -> None:
    model = tiny_model()
    graph = graph_of(model, "neurons", groups=5)
    parts = [node.name for node in graph.nodes if node.kind == "mlp" and node.layer == 1]
    whole = graph_of(model, "heads").mask(model, ["1.mlp"])
    assert len(parts) == 5 and graph.mask(model, parts) == whole
    with pytest.raises(ConfigError, match=r"1\.mlp\.7"):
        graph.mask(model, ["1.mlp.7"])


def test_there_are_three_granularities() -> None:
    with pytest.raises(ConfigError, match="matrices, heads, neurons"):
        graph_of(tiny_model(), "rows")
