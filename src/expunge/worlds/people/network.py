"""Networks with random weights, in four layouts and several sizes."""

from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from expunge.config import PeopleConfig
from expunge.models.attention import NAME as PACKED
from expunge.models.layout import layout_of
from expunge.models.model import Model
from expunge.worlds.people.tokenizer import MAX_LENGTH, tokenizer


class Shape(NamedTuple):
    """Of a network: 12 · depth · width² weights and the embeddings."""

    width: int
    depth: int
    heads: int


SHAPES = {
    "tiny": Shape(64, 2, 4),
    "1M": Shape(128, 4, 4),
    "3M": Shape(192, 6, 6),
    "8M": Shape(320, 6, 5),
    "20M": Shape(512, 6, 8),
    "50M": Shape(768, 7, 12),
}
_MODEL_TYPES = {"llama": "llama", "gpt2": "gpt2", "qwen": "qwen3", "gemma": "gemma3_text"}
_SPREAD = 0.05  # of random weights: 0.02 is meant for wide networks, and learns slowly in narrow ones


def untrained(config: PeopleConfig, seed: int) -> Model:
    """The network that the settings ask for, before training. PyTorch's global generator is left as it was."""
    words = tokenizer()
    settings = AutoConfig.for_model(_MODEL_TYPES[config.layout], **_settings(config, words))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoModelForCausalLM.from_config(settings, dtype=torch.float32)
    network.set_attn_implementation(PACKED)
    embedding = network.get_input_embeddings()
    embedding.padding_idx = None  # padding is the end token, which is to be learnt
    name = f"world:people ({config.layout}, {config.size}, untrained)"
    return Model(network=network.eval(), tokenizer=words, layout=layout_of(network), name=name)


def _settings(config: PeopleConfig, words: PreTrainedTokenizerFast) -> dict[str, Any]:
    shape = SHAPES[config.size]
    end = words.eos_token_id
    shared: dict[str, Any] = {
        "vocab_size": len(words), "bos_token_id": None, "eos_token_id": end, "pad_token_id": end,
        "tie_word_embeddings": True, "initializer_range": _SPREAD,
    }  # fmt: skip
    if config.layout == "gpt2":
        return {
            **shared, "n_embd": shape.width, "n_layer": shape.depth, "n_head": shape.heads, "n_positions": MAX_LENGTH,
            "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
        }  # fmt: skip
    gated = {
        **shared, "hidden_size": shape.width, "num_hidden_layers": shape.depth, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads, "head_dim": shape.width // shape.heads,
        "intermediate_size": -(-shape.width * 8 // 3 // 8) * 8, "max_position_embeddings": MAX_LENGTH,
    }  # fmt: skip
    if config.layout == "gemma":
        gated |= {"query_pre_attn_scalar": shape.width // shape.heads, "sliding_window": MAX_LENGTH // 4}
    return gated
