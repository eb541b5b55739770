"""Names of tensors in folders: the same tensor under two names, heads and embeddings, and what was never trained."""

import re
from collections.abc import Iterable

from expunge.models.architectures import ARCHITECTURES

_HEADS = ("lm_head", "embed_out")
# of Transformers 5, both ways: GPT-NeoX's head, and Gemma 3's text part beside pictures
_PAIRS = (("embed_out.", "lm_head."), ("language_model.model.", "model.language_model."))
_RENAMED = (*_PAIRS, *((to, of) for of, to in _PAIRS))
_EMBEDDINGS = frozenset(each.embedding.rpartition(".")[2] for each in ARCHITECTURES.values())
# frequencies and caches of position encodings, causal masks (`attn.bias` with two axes or more), running statistics
_BUFFERS = re.compile(
    r"(^|\.)((inv_freq|\w+_inv_freq|cos_cached|sin_cached)|masked_bias|running_(mean|var)|position_ids)$"
)
_CAUSAL_MASK = re.compile(r"(^|\.)(attn|attention)\.bias$")


def counterparts(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Name → the known name of the same tensor, for those that have one.

    Folders may leave out the first part of a name, or add one: GPT-2's `h.0…` is `transformer.h.0…`. And Transformers
    renames some architectures' tensors when it loads a folder, and back when it saves one.

    >>> counterparts(["h.0.ln.weight", "lm_head.weight"], ["transformer.h.0.ln.weight"])
    {'h.0.ln.weight': 'transformer.h.0.ln.weight'}
    >>> counterparts(["language_model.model.norm.weight"], ["model.language_model.norm.weight"])
    {'language_model.model.norm.weight': 'model.language_model.norm.weight'}
    """
    whole = dict.fromkeys(known)
    shorter = {name.partition(".")[2]: name for name in whole}
    found: dict[str, str] = {}
    for name in names:
        near = (name, shorter.get(name), name.partition(".")[2], _renamed(name))
        same = next((each for each in near if each is not None and each in whole), None)
        if same is not None:
            found[name] = same
    return found


def _renamed(name: str) -> str | None:
    return next((to + name.removeprefix(of) for of, to in _RENAMED if name.startswith(of)), None)


def is_buffer(name: str, axes: int) -> bool:
    """Whether a tensor with so many axes is one that no training changes, judged by its name.

    >>> is_buffer("h.0.attn.bias", 4), is_buffer("h.0.attn.c_attn.bias", 1)
    (True, False)
    """
    return bool(_BUFFERS.search(name)) or (axes > 1 and bool(_CAUSAL_MASK.search(name)))


def head_among(names: Iterable[str]) -> str | None:
    """The matrix that turns hidden states into logits; None where the embedding serves as one."""
    return next((name for name in names if _module(name) in _HEADS), None)


def embedding_among(names: Iterable[str]) -> str | None:
    """The matrix of the tokens' embeddings."""
    return next((name for name in names if _module(name) in _EMBEDDINGS), None)


def _module(name: str) -> str:
    """The last module of a weight's name."""
    module, _, kind = name.rpartition(".")
    return module.rpartition(".")[2] if kind == "weight" else ""
