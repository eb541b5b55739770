"""The only loader: Hub ids, folders, adapters, GGUF files, built-in names and BASE+CHANGE to a `Model`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from expunge.config import LoadConfig
from expunge.errors import ExpungeError, ModelError
from expunge.models.builtin import BUILTIN, Say
from expunge.models.finding import Source, find, split_change
from expunge.models.gguf import read_gguf
from expunge.models.hugging_face import read_hub, read_pretrained
from expunge.models.layout import layout_of
from expunge.models.model import Model
from expunge.models.naming import plain_network
from expunge.models.quiet import quiet
from expunge.models.stored_logits import StoredLogits

_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout", "resid_dropout", "layerdrop")


def load_model(name: str, config: LoadConfig | None = None, *, merge: bool = True, say: Say = lambda _: None) -> Model:
    """The model that `name` means, in evaluation mode, without dropout, its weights in `config.dtype`.

    A PEFT adapter is merged into its base, so that the model is plain; `merge=False` leaves it beside it.
    BASE+CHANGE applies saved changes, from left to right; a side memory is attached. `say` is told what takes long.
    Raises ModelError (or UnknownArchitectureError, UnknownNameError) when there is no such model, or none
    that Expunge can work on.
    """
    config = config or LoadConfig()
    base, change = split_change(name)
    if change is not None:
        from expunge.models.changes import load_change

        model = load_model(base, config, say=say)
        load_change(change).apply_to(model)
        return replace(model, name=name)
    device = _device(config.device)
    source = find(name)
    try:
        network, tokenizer, folder = _read(source, config, merge, say)
    except ExpungeError:
        raise
    except MemoryError as error:
        raise ModelError(f"{name} does not fit into memory: try --dtype bfloat16") from error
    layout = layout_of(network)
    _check_tokenizer(tokenizer, layout.vocabulary, name)
    _settle(network, config)
    network.to(device)
    if folder is not None and (stored := StoredLogits.read(folder)):
        stored.check(network, name)
    return Model(network=network, tokenizer=tokenizer, layout=layout, name=name)


def _read(source: Source, config: LoadConfig, merge: bool, say: Say) -> tuple[Any, Any, Path | None]:
    """Network, tokenizer, and the local folder that may hold stored logits."""
    dtype = getattr(torch, config.dtype)
    if source.kind == "builtin":
        source = find(str(BUILTIN[source.place].folder(source.rest, say)))  # a model's folder, or an adapter's
    if source.kind == "folder":
        return *read_pretrained(source.place, dtype, config.trust_remote_code), Path(source.place)
    if source.kind == "gguf":
        say(f"reading {source.place}: GGUF files take their time …")
        return *read_gguf(Path(source.place), dtype), None
    if source.kind == "hub":
        found = read_hub(source.place, dtype, config.trust_remote_code)
        if not isinstance(found, Path):
            return *found, None
        source = Source("adapter", str(found))
    return *_read_adapter(Path(source.place), config, merge, say), None


def _read_adapter(folder: Path, config: LoadConfig, merge: bool, say: Say) -> tuple[Any, Any]:
    """An adapter on its base, which may be anything that `load_model` takes."""
    from peft import PeftModel

    from expunge.change.adapters import merged
    from expunge.models.hugging_face import read_tokenizer

    base_name = base_of(folder)
    base = load_model(base_name, config.model_copy(update={"device": "cpu"}), say=say)
    try:
        with quiet():
            wrapped: Any = PeftModel.from_pretrained(base.network, str(folder))
            _check_adapter(wrapped, folder)
            network = merged(wrapped) if merge else wrapped
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"the adapter in {folder} does not go on its base {base_name!r}: {error}") from error
    own = (folder / "tokenizer.json").is_file()
    return network, read_tokenizer(str(folder), config.trust_remote_code) if own else base.tokenizer


def _check_adapter(wrapped: Any, folder: Path) -> None:
    """ModelError where a tensor of the adapter finds no place, or a place no tensor: PEFT would leave it as it was."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        there = set(file.keys())
    wanted = set(get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    missing, surplus = sorted(wanted - there), sorted(each for each in there - wanted if ".lora_" in each)
    for what, names in (("lacks", missing), ("has what fits no weight of it,", surplus)):
        if names:
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            raise ModelError(
                f"the adapter in {folder} does not go on its base: it {what} {len(names)} tensors: {shown}"
            )


def base_of(folder: Path) -> str:
    """The model that an adapter goes on."""
    try:
        found = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        name = found["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read adapter_config.json in {folder}: {error!r}") from error
    if not isinstance(name, str) or not name:
        raise ModelError(f"adapter_config.json in {folder} names no base: set base_model_name_or_path")
    beside = folder / name  # a relative path means: from here, or else from the adapter
    return str(beside) if not Path(name).exists() and beside.is_dir() else name


def _device(name: str) -> torch.device:
    if name == "auto":
        fast = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return fast if fast is not None else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(f"no device {name!r} here: {str(error).splitlines()[0]}. Try `cpu`.") from error
    return device


def _check_tokenizer(tokenizer: Any, vocabulary: int, name: str) -> None:
    if not tokenizer.is_fast:
        raise ModelError(f"the tokenizer of {name} is not a fast one: it has no tokenizer.json")
    if len(tokenizer) > vocabulary:
        raise ModelError(
            f"the tokenizer of {name} has {len(tokenizer)} tokens, but the model only {vocabulary}: "
            "they do not belong together, or the model's embeddings were not resized"
        )


def _settle(network: nn.Module, config: LoadConfig) -> None:
    """Evaluation mode, no dropout even in training mode, the attention asked for, a cache when generating."""
    plain = plain_network(network)
    assert isinstance(plain, PreTrainedModel)
    _set_attention(plain, config.attention)
    plain.config.use_cache = True
    # a padding index would rob a real token (the end token, often) of its gradient; nothing is padded here
    embedding = plain.get_input_embeddings()
    if isinstance(embedding, nn.Embedding):
        embedding.padding_idx = None
    generation = plain.generation_config
    if generation is not None and generation.pad_token_id is None:
        ends = generation.eos_token_id
        generation.pad_token_id = ends[0] if isinstance(ends, list) and ends else ends
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for each in _DROPOUTS:
            if isinstance(getattr(module, each, None), float):
                setattr(module, each, 0.0)
    network.eval()


def _set_attention(network: PreTrainedModel, name: str) -> None:
    import expunge.models.attention  # noqa: F401  registers "packed"

    try:
        with quiet():
            network.set_attn_implementation(name)
    except (ValueError, ImportError) as error:
        reason = str(error).split(". ")[0]
        raise ModelError(f"attention {name!r} does not work for {type(network).__name__}: {reason}") from error
