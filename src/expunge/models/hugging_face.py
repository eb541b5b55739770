"""Folders and Hub repositories in Hugging Face's format, with errors that say what is wrong with them."""

import json
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils.peft_utils import find_adapter_config_file

from expunge.errors import ModelError
from expunge.models.architectures import ARCHITECTURES
from expunge.models.finding import builtin_hint
from expunge.models.layout import layout_of
from expunge.models.quiet import quiet

_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    ImportError,
    RuntimeError,
    SafetensorError,
    HFValidationError,
)


def read_pretrained(place: str, dtype: torch.dtype, trust_remote_code: bool, *, local: bool = False) -> tuple[Any, Any]:
    """Network and tokenizer of a folder or a Hub repository. `local`: only what was downloaded before."""
    shared = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    with quiet():
        config = _read_config(place, **shared)
        tokenizer = read_tokenizer(place, **shared)
        try:
            found: Any = AutoModelForCausalLM.from_pretrained(
                place,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,  # what is missing would be filled with random numbers
                ignore_mismatched_sizes=True,  # reported below, by name
                **shared,
            )
        except _UNREADABLE as error:
            raise _explained(place, error, "weights") from error
    network, report = found
    check_whole(place, report)
    return network, tokenizer


def check_whole(place: str, report: Mapping[str, Any]) -> None:
    """ModelError where loading left weights out, which would be random numbers."""
    absent = sorted({*report["missing_keys"], *(each[0] for each in report["mismatched_keys"])})
    if absent:
        shown = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        raise ModelError(f"{place!r} lacks {len(absent)} weights, or has them in another shape: {shown}")


def _read_config(place: str, **how: bool) -> Any:
    try:
        config = AutoConfig.from_pretrained(place, **how)
    except _UNREADABLE as error:
        raise _explained(place, error, "configuration") from error
    _check_config(place, config)
    return config


def read_outline(place: str, trust_remote_code: bool, *, local: bool = False) -> Any:
    """The network without weights, on the meta device, from the configuration.

    None where it brings code of its own, or cannot be built so: then loading it shows more.
    """
    with quiet():
        config = _read_config(place, trust_remote_code=trust_remote_code, local_files_only=local)
        if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            return None
        try:
            with torch.device("meta"):
                return AutoModelForCausalLM.from_config(config)
        except _UNREADABLE:
            return None


def read_tokenizer(place: str, trust_remote_code: bool, local_files_only: bool = False) -> Any:
    # for some architectures (Qwen2) Transformers would take its own class, and not the one that was saved
    reader = PreTrainedTokenizerFast if _saved_as_is(Path(place)) else AutoTokenizer
    try:
        with quiet():
            return reader.from_pretrained(place, trust_remote_code=trust_remote_code, local_files_only=local_files_only)
    except Exception as error:  # the tokenizers library raises no other kind
        raise _explained(place, error, "tokenizer") from error


def _saved_as_is(folder: Path) -> bool:
    """Whether a folder's tokenizer is all in its tokenizer.json, as the Transformers that saved it says."""
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    named = settings.get("tokenizer_class") if isinstance(settings, dict) else None
    return named == "TokenizersBackend" and (folder / "tokenizer.json").is_file()


def read_hub(name: str, dtype: torch.dtype, trust_remote_code: bool) -> tuple[Any, Any] | Path:
    """Network and tokenizer of a Hub repository; for one that holds an adapter, the folder it was put in."""
    local = not _reachable()  # else every file would be tried for half a minute
    return _adapter_in(name, local) or read_pretrained(name, dtype, trust_remote_code, local=local)


def hub_outline(name: str, trust_remote_code: bool) -> Any | Path:
    """As `read_outline`; of a Hub repository that holds an adapter, as `read_hub`."""
    local = not _reachable()
    return _adapter_in(name, local) or read_outline(name, trust_remote_code, local=local)


def check_hub(name: str) -> None:
    """ModelError for a Hub repository that was not downloaded before and cannot be had now."""
    if any(isinstance(try_to_load_from_cache(name, file), str) for file in ("config.json", "adapter_config.json")):
        return
    try:
        with quiet():
            hf_hub_download(name, "config.json", local_files_only=not _reachable())
    except _UNREADABLE as error:
        if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
            raise _explained(name, error, "configuration") from error  # else it is there, and may hold an adapter


def hub_type(name: str) -> torch.dtype | Path | None:
    """The type in which a Hub repository says that its weights are; of one that holds an adapter, as `read_hub`."""
    local = not _reachable()
    if (adapter := _adapter_in(name, local)) is not None:
        return adapter
    with quiet():
        try:
            found = AutoConfig.from_pretrained(name, local_files_only=local).dtype
        except _UNREADABLE as error:
            raise _explained(name, error, "configuration") from error
    return getattr(torch, found) if isinstance(found, str) else found


def _adapter_in(name: str, local: bool) -> Path | None:
    """The folder into which a repository's adapter was put; None where it holds none."""
    from huggingface_hub import snapshot_download

    with quiet():
        try:
            adapter = find_adapter_config_file(name, local_files_only=local)
        except _UNREADABLE:
            return None  # whatever is wrong, reading the configuration says it better
    if adapter is None:
        return None
    wanted = ["*.json", "*.safetensors", "*.model", "*.jinja"]
    try:
        with quiet():
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=local))
    except _UNREADABLE as error:
        raise _explained(name, error, "adapter") from error


def _check_config(place: str, config: Any) -> None:
    """Before weights are read: is it a causal language model, in the table, and not quantized?"""
    kind = config.model_type
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and "AutoModelForCausalLM" not in (
        getattr(config, "auto_map", None) or {}
    ):
        raise ModelError(f"{place!r} ({kind}) is not a causal language model: it does not continue texts")
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(
            f"the weights of {place!r} are quantized, so they cannot be changed exactly: load the plain model"
        )
    if kind not in ARCHITECTURES and kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        with torch.device("meta"):
            layout_of(AutoModelForCausalLM.from_config(config))  # raises, and shows the modules


def _reachable() -> bool:
    """Whether the Hub's name can be looked up. With a proxy that is not known beforehand."""
    host = urlparse(constants.ENDPOINT).hostname or ""
    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def _explained(place: str, error: BaseException, what: str) -> ModelError:
    """The reason behind an error of Transformers, in a sentence that says what to do."""
    is_folder = Path(place).is_dir()
    causes = list(_causes(error))
    said = str(error).strip().splitlines()
    first = said[0] if said else type(error).__name__
    if any(isinstance(each, GatedRepoError) for each in causes):
        return ModelError(f"{place!r} is gated on the Hub: ask for access there, then `hf auth login`")
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return ModelError(
            f"the Hub has no public model {place!r}, and there is no such folder.{builtin_hint(place)} "
            "For a private one, `hf auth login`."
        )
    if not is_folder and any(isinstance(each, (LocalEntryNotFoundError, ConnectionError)) for each in causes):
        return ModelError(
            f"{place!r} would have to come from the Hub, which cannot be reached from here, and was not "
            f"downloaded before; there is no folder of this name either.{builtin_hint(place)}"
        )
    if "trust_remote_code" in str(error):
        return ModelError(
            f"{place!r} brings code of its own, which is run only when you ask for it: set trust_remote_code"
        )
    if what == "weights" and not is_folder and any(isinstance(each, EntryNotFoundError) for each in causes):
        return ModelError(f"{place!r} has no safetensors on the Hub, only pickled weights, which are not read")
    return ModelError(f"cannot read the {what} of {place!r}: {first}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
