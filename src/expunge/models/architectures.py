"""The one table of where each architecture keeps its parts. Nothing else in Expunge knows these names.

Paths of `Architecture` are of modules; those of a block are relative to the block. `layout.layout_of` checks
an entry against a loaded model. To add one: an entry here, a tiny configuration in `tests/architectures.py`.
"""

from dataclasses import dataclass, replace
from typing import Literal

Fusion = Literal["separate", "stacked", "interleaved"]
Normed = Literal["before", "after", "both"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Where the parts of one kind of model are; `blocks`, `embedding` and `final_norm` start at the model."""

    blocks: str  # the list of blocks
    embedding: str
    final_norm: str
    attention: str
    query: str  # of a fused projection: the same path three times
    key: str
    value: str
    attention_out: str
    up: str
    down: str
    gate: str | None = None  # None: the MLP has no gate; the path of `up`: fused, gate rows first
    norms: tuple[str, ...] = ()  # of a block, in the order of use
    normed: Normed = "before"  # what attention and MLP read, what they add to the residual stream, or both
    # how a fused projection's outputs are ordered. stacked: all of q, then k, then v.
    # interleaved: head by head, each its q, k, v.
    fusion: Fusion = "separate"
    transposed: bool = False  # weights are [in, out] (GPT-2's Conv1D), not [out, in]
    places: str | None = None  # the table of learned positions: there is none for a longer text. None: rotary ones


_LLAMA = Architecture(
    blocks="model.layers",
    embedding="model.embed_tokens",
    final_norm="model.norm",
    attention="self_attn",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    attention_out="self_attn.o_proj",
    gate="mlp.gate_proj",
    up="mlp.up_proj",
    down="mlp.down_proj",
    norms=("input_layernorm", "post_attention_layernorm"),
)
_GEMMA2 = replace(
    _LLAMA,
    norms=(
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
    normed="both",
)
_GEMMA3_OUTER = "model.language_model"  # inside the model that also sees
_PHI3_QKV, _PHI3_GATE_UP = "self_attn.qkv_proj", "mlp.gate_up_proj"
_GPT2_QKV = "attn.c_attn"
_NEOX_QKV = "attention.query_key_value"

# `model_type` of the configuration → entry
ARCHITECTURES: dict[str, Architecture] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,  # 2.5 too; q, k and v have biases
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA2,
    "gemma3": replace(
        _GEMMA2,
        blocks=f"{_GEMMA3_OUTER}.layers",
        embedding=f"{_GEMMA3_OUTER}.embed_tokens",
        final_norm=f"{_GEMMA3_OUTER}.norm",
    ),
    "olmo": _LLAMA,  # its norms have no parameters
    "olmo2": replace(_LLAMA, norms=("post_attention_layernorm", "post_feedforward_layernorm"), normed="after"),
    "phi3": replace(
        _LLAMA,
        query=_PHI3_QKV,
        key=_PHI3_QKV,
        value=_PHI3_QKV,
        gate=_PHI3_GATE_UP,
        up=_PHI3_GATE_UP,
        fusion="stacked",
    ),
    "gpt2": Architecture(
        blocks="transformer.h",
        embedding="transformer.wte",
        final_norm="transformer.ln_f",
        attention="attn",
        query=_GPT2_QKV,
        key=_GPT2_QKV,
        value=_GPT2_QKV,
        attention_out="attn.c_proj",
        up="mlp.c_fc",
        down="mlp.c_proj",
        norms=("ln_1", "ln_2"),
        fusion="stacked",
        transposed=True,
        places="transformer.wpe",
    ),
    "gpt_neox": Architecture(
        blocks="gpt_neox.layers",
        embedding="gpt_neox.embed_in",
        final_norm="gpt_neox.final_layer_norm",
        attention="attention",
        query=_NEOX_QKV,
        key=_NEOX_QKV,
        value=_NEOX_QKV,
        attention_out="attention.dense",
        up="mlp.dense_h_to_4h",
        down="mlp.dense_4h_to_h",
        norms=("input_layernorm", "post_attention_layernorm"),
        fusion="interleaved",
    ),
    "opt": Architecture(
        blocks="model.decoder.layers",
        embedding="model.decoder.embed_tokens",
        final_norm="model.decoder.final_layer_norm",
        attention="self_attn",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        attention_out="self_attn.out_proj",
        up="fc1",
        down="fc2",
        norms=("self_attn_layer_norm", "final_layer_norm"),
        places="model.decoder.embed_positions",
    ),
}
