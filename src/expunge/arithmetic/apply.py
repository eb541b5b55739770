"""Apply a change to a model folder, or revert it, tensor by tensor: memory is that of a few tensors.

A change that was made in a wider type than the folder's (trained in float32 from a bfloat16 folder) gives
a folder in that type, because a narrower one could not hold the result. `expunge.json` then notes what was
before and for which change, so that reverting that one gives the former bits in the former type. Changes that
are applied after it are reverted in the wide type, and leave the note.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expunge.arithmetic.folder import Finish, Folder, Rule, config_in, rewrite
from expunge.arithmetic.naming import counterparts
from expunge.change import Attachment, Fingerprint, WeightChange
from expunge.change.bits import exactly, type_name
from expunge.change.comparing import refusal, verified
from expunge.errors import ChangeError
from expunge.models.stored_logits import FILE as STORED_LOGITS
from expunge.parameters import Parameters

_NOTE, _CONFIG = "expunge.json", "config.json"


def apply_to_folder(
    source: str | Path, change: WeightChange | Attachment, out: str | Path,
    *, replace: bool = False, finish: Finish = lambda _: None,
) -> None:  # fmt: skip
    """Write the changed model to `out`, a folder that plain Transformers loads.

    With `replace` a folder that is there goes when the new one is whole; `finish` may put something into it before.
    ChangeError, and nothing written, if `source` is not the model that the change is for.
    """
    weights, folder = _weight_change(change), Folder(source)
    view = OwnNames(folder, weights.base)
    _check(view, weights, applied=False)
    # logits that were stored to recognize the model are not those of the changed one
    files = {STORED_LOGITS: None, **(_noted(view) if view.widened else {})}
    rewrite(folder, Path(out), _applying(view, weights), view.widened, files, replace=replace, finish=finish)


def revert_from_folder(
    source: str | Path, change: WeightChange | Attachment, out: str | Path,
    *, replace: bool = False, finish: Finish = lambda _: None,
) -> None:  # fmt: skip
    """Write the model as it was before the change: the very bits. Options as above."""
    weights, folder = _weight_change(change), Folder(source)
    view = OwnNames(folder, weights.base)
    _check(view, weights, applied=True)
    note = _note_of(folder)
    if note.get("base", weights.base.id) != weights.base.id:
        note = {"earlier": note}  # another change widened the folder, and is still in it
    former = {name: getattr(torch, dtype) for name, dtype in note.get("dtypes", {}).items() if name in folder}
    earlier = note.get("earlier")
    files = {_NOTE: json.dumps(earlier, indent=1) if earlier else None, **note.get("files", {})}
    rewrite(folder, Path(out), _reverting(view, weights, former), former, files, replace=replace, finish=finish)


class OwnNames(Mapping[str, Tensor]):
    """A folder's weights under the names of a fingerprint, in its types where those are wider.

    Folders may leave out the first part of a name (GPT-2's `h.0…` for `transformer.h.0…`), add one, hold a
    tied tensor under either name or both, and hold buffers, which no fingerprint names.
    """

    def __init__(self, folder: Folder, base: Fingerprint) -> None:
        self.folder, self.base = folder, base
        self.own = _matched(folder, base)  # name in the folder → name of the fingerprint
        self.homes: dict[str, str] = {}
        for name in sorted(self.own, key=base.ties.__contains__):  # the second names of tied tensors last
            self.homes.setdefault(self.own[name], name)
        # folder's name → type of the fingerprint, where it is wider and so holds all that the folder's holds
        self.widened = {name: dtype for name in self.own if (dtype := self._wider(name)) is not None}

    def _wider(self, name: str) -> torch.dtype | None:
        here, there = self.folder.slot(name).dtype, self.base.stamps[self.own[name]].torch_dtype
        return there if here != there and torch.promote_types(here, there) == there else None

    def __getitem__(self, own: str) -> Tensor:
        name = self.homes[own]
        return self.folder[name].to(self.widened.get(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)


def _matched(folder: Folder, base: Fingerprint) -> dict[str, str]:
    found = counterparts(folder, (*base.stamps, *base.ties))
    return {name: base.ties.get(known, known) for name, known in found.items()}


def _check(view: OwnNames, change: WeightChange, applied: bool) -> None:
    """All of the folder, before anything is written."""
    stamps, slots = view.base.stamps, view.folder.slot
    wrong = [f"{own} is missing" for own in stamps if own not in view]
    wrong += [
        f"{own} has shape {slots(name).shape} instead of {stamps[own].shape}"
        for name, own in view.own.items()
        if slots(name).shape != stamps[own].shape
    ]
    if wrong:  # headers suffice to see this
        raise refusal(wrong, len(stamps), "Give the model from which the change was made.")
    change.check(Parameters(view, {}), applied)
    for name, own in view.own.items():
        expected = change.results.get(own, stamps[own].digest) if applied else stamps[own].digest
        if view.homes[own] != name and (problem := view.base.problem(own, view.folder[name], expected)):
            raise refusal([f"{problem} under its other name {name}"], len(stamps), "These weights should be tied.")


def _applying(view: OwnNames, change: WeightChange) -> Rule:
    names = set(change.names)

    def rule(name: str, tensor: Tensor) -> Tensor:
        own, dtype = view.own.get(name), view.widened.get(name, tensor.dtype)
        if own not in names:
            return tensor.to(dtype)
        typed = exactly(tensor, view.base.stamps[own].torch_dtype)
        assert typed is not None, f"{name} was not checked"
        return verified(own, change.after(own, typed), change.results.get(own)).to(dtype)

    return rule


def _reverting(view: OwnNames, change: WeightChange, former: Mapping[str, torch.dtype]) -> Rule:
    names = set(change.names)

    def rule(name: str, tensor: Tensor) -> Tensor:
        own, restored = view.own.get(name), tensor
        if own in names:
            stamp = view.base.stamps[own]
            typed = exactly(tensor, stamp.torch_dtype)
            assert typed is not None, f"{name} was not checked"
            restored = verified(own, change.before(own, typed), stamp.digest)
        exact = exactly(restored, former.get(name, tensor.dtype))
        if exact is None:
            raise ChangeError(f"{name} does not fit the type that {_NOTE} names: it was written for another model")
        return exact

    return rule


def _noted(view: OwnNames) -> dict[str, str | None]:
    """The new `config.json`, and a note of the old one and of the types."""
    types = {name: type_name(view.folder.slot(name).dtype) for name in view.widened}
    note: dict[str, Any] = {"base": view.base.id, "dtypes": types}
    if earlier := _note_of(view.folder):
        note["earlier"] = earlier
    path = view.folder.path / _CONFIG
    if not path.is_file():
        return {_NOTE: json.dumps(note, indent=1)}
    text, widest = path.read_text(), type_name(next(iter(view.widened.values())))
    note["files"] = {_CONFIG: text}
    return {_NOTE: json.dumps(note, indent=1), _CONFIG: config_in(text, widest)}


def _note_of(folder: Folder) -> dict[str, Any]:
    path = folder.path / _NOTE
    return json.loads(path.read_text()) if path.is_file() else {}


def _weight_change(change: WeightChange | Attachment) -> WeightChange:
    if isinstance(change, Attachment):
        raise ChangeError(
            f"a {type(change).__name__} is a side memory: a plain model folder has no place for it. Load the "
            "model and use `attach` (Python) or give the memory with the model on the command line"
        )
    return change
