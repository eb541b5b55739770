"""A model as a folder whose weights stream, whatever name it was given."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from expunge.config import LoadConfig
from expunge.errors import ChangeError
from expunge.models.builtin import BUILTIN
from expunge.models.changes import is_attachment
from expunge.models.finding import find, split_change
from expunge.models.loading import load_model
from expunge.runs.phases import Phases


def check_model(name: str) -> None:
    """Raises as `find` when it can be seen at once that there is no such model; reads no weights.

    ChangeError for a model with a side memory, which no folder of weights can hold.
    """
    base, change = split_change(name)
    if change is None:
        find(base)
        return
    if is_attachment(change):
        raise ChangeError(
            f"{change} is a side memory beside the weights of {base}: a folder of weights has no place for it, and "
            "there is nothing to add, scale or go on from. Name the model without it, or a change of weights"
        )
    check_model(base)


def model_folder(name: str, stack: ExitStack, phases: Phases) -> Path:
    """Folders are taken as they are, built-in ones are made if need be.

    What is no folder (GGUF file, adapter, BASE+CHANGE, Hub id) is loaded and written to one that goes with `stack`.
    """
    base, change = split_change(name)
    if change is None:
        source = find(base)
        if source.kind == "builtin":
            source = find(str(BUILTIN[source.place].folder(source.rest, phases.say)))
        if source.kind == "folder":
            return Path(source.place)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    load_model(name, LoadConfig(device="cpu"), say=phases.say).save(folder)
    return folder
