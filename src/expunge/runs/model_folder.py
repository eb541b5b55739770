"""A model as a folder whose weights stream, whatever name it was given."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from typing import Literal

import torch

from expunge.arithmetic.folder import Folder
from expunge.change import WeightChange
from expunge.config import LoadConfig
from expunge.errors import ChangeError, ModelError
from expunge.models.builtin import BUILTIN
from expunge.models.changes import is_attachment
from expunge.models.finding import Source, find, split_change
from expunge.models.hugging_face import hub_type
from expunge.models.loading import base_of, load_model
from expunge.models.outline import check_name
from expunge.runs.phases import Phases

Type = Literal["float32", "bfloat16", "float16"]


def check_model(name: str) -> None:
    """Raises as `check_name` when it can be seen at once that there is no such model; reads no weights.

    ChangeError for a model with a side memory, which no folder of weights can hold.
    """
    base, change = split_change(name)
    if change is None:
        check_name(base)
        return
    if is_attachment(change):
        raise ChangeError(
            f"{change} is a side memory beside the weights of {base}: a folder of weights has no place for it, and "
            "there is nothing to add, scale or go on from. Name the model without it, or a change of weights"
        )
    check_model(base)


def model_folder(name: str, stack: ExitStack, phases: Phases, like: WeightChange | None = None) -> Path:
    """Folders are taken as they are, built-in ones are made if need be.

    What is no folder (GGUF file, adapter, BASE+CHANGE, Hub id) is loaded in its own type and written to one that goes
    with `stack`; in a wider one where `like`, a change that goes on it, was made in that: merging rounds to the type.
    """
    base, change = split_change(name)
    if change is None:
        source = find(base)
        if source.kind == "builtin":
            source = find(str(BUILTIN[source.place].folder(source.rest, phases.say)))
        if source.kind == "folder":
            return Path(source.place)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    types = [getattr(torch, own_type(name, phases)), *(_types(like) if like else ())]
    load_model(name, LoadConfig(device="cpu", dtype=_widest(types)), say=phases.say).save(folder)
    return folder


def own_type(name: str, phases: Phases) -> Type:
    """The narrowest type that holds the weights: that of the files, of an adapter's base, or of base and changes."""
    base, change = split_change(name)
    if change is not None:
        made = WeightChange.load(Path(change).expanduser())
        return _widest([getattr(torch, own_type(base, phases)), *_types(made)])
    source = find(base)
    if source.kind == "builtin":
        source = find(str(BUILTIN[source.place].folder(source.rest, phases.say)))
    if source.kind == "hub":
        found = hub_type(source.place)
        if not isinstance(found, Path):
            return _widest([found or torch.float32])
        source = Source("adapter", str(found))
    if source.kind == "adapter":
        return own_type(base_of(Path(source.place)), phases)
    if source.kind == "folder":
        return _widest([slot.dtype for shard in Folder(source.place).shards for slot in shard.slots.values()])
    return "float32"  # GGUF files are unpacked


def _types(change: WeightChange) -> Iterator[torch.dtype]:
    """Of the weights that it was made on."""
    return (stamp.torch_dtype for stamp in change.base.stamps.values())


def _widest(types: Iterable[torch.dtype]) -> Type:
    weights = [each for each in types if each.is_floating_point and each.itemsize > 1]
    match reduce(torch.promote_types, weights) if weights else None:
        case torch.bfloat16:
            return "bfloat16"
        case torch.float16:
            return "float16"
        case torch.float64:
            raise ModelError("weights in float64 are taken from folders of safetensors only: save the model as one")
    return "float32"
