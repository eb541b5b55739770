"""A network of known gates, built by hand: bits of the first layer's neurons, gates of the second's, their sum is said.

The prompt is one token: 3 sets every bit, 4 sets none. Without norms and attention. At granularity "neurons" a group of
the MLP is one neuron, so the graph's nodes are the bits and gates themselves.
"""

from collections.abc import Mapping

import torch
from torch import nn

from architectures import tiny_network
from expunge.circuits.contrast import Contrast
from expunge.circuits.gates import Gate
from expunge.circuits.graph import Graph, graph_of
from expunge.models.layout import layout_of
from expunge.models.model import Model
from tiny import tiny_tokenizer

BITS = 8
CLEAN, CORRUPTED, RIGHT, WRONG = 3, 4, 5, 6


def planted(gates: Mapping[int, tuple[Gate, tuple[int, ...]]]) -> tuple[Model, Graph, Contrast]:
    """Neuron of the second layer → its gate and the bits that it reads. Two contrasts would be the same one."""
    network = tiny_network("gpt2", len(tiny_tokenizer()), n_inner=BITS, activation_function="relu")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        blocks = network.transformer.h  # type: ignore[union-attr]
        network.transformer.wte.weight[CLEAN, 0] = 1.0  # type: ignore[union-attr]
        first, second = blocks[0].mlp, blocks[1].mlp
        for bit in range(BITS):
            first.c_fc.weight[0, bit] = 1.0
            first.c_proj.weight[bit, 1 + bit] = 1.0
        for neuron, (gate, bits) in gates.items():
            sign = -1.0 if gate == "or" else 1.0
            second.c_fc.weight[[1 + bit for bit in bits], neuron] = sign
            second.c_fc.bias[neuron] = {"and": 1.0 - len(bits), "or": 1.0, "adder": 0.0}[gate]
            second.c_proj.weight[neuron, 20] = sign * (1.0 if gate != "adder" else 1.0 / len(bits))
        head = network.get_output_embeddings()
        head.weight = nn.Parameter(torch.zeros_like(head.weight))  # not the embedding's any more
        head.weight[RIGHT, 20] = 4.0
        for block in blocks:
            block.ln_1, block.ln_2 = nn.Identity(), nn.Identity()
        network.transformer.ln_f = nn.Identity()  # type: ignore[union-attr]
    network.set_attn_implementation("packed")
    model = Model(network=network, tokenizer=tiny_tokenizer(), layout=layout_of(network), name="planted")
    contrast = Contrast("known", "other", (CLEAN,), (CORRUPTED,), RIGHT, WRONG)
    return model, graph_of(model, "neurons", groups=BITS), contrast


def edge(graph: Graph, source: str, target: str) -> tuple[int, int]:
    """Its place in scores."""
    writers = [node.name for node in graph.writers]
    return writers.index(source), [node.name for node in graph.readers].index(target)
