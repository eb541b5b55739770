"""Folders side by side: which tensor of one is which of another. Everything is checked from the headers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from expunge.arithmetic.blocks import Reader, equal
from expunge.arithmetic.folder import Folder
from expunge.arithmetic.naming import counterparts, embedding_among, head_among, is_buffer
from expunge.change.bits import type_name
from expunge.errors import ModelError

_SHOWN = 50  # problems that an error names


@dataclass(frozen=True)
class Trained:
    """A tensor that training may have changed."""

    name: str  # in the home folder
    others: tuple[str, ...]  # in each of the other folders
    twin: str | None = None  # of the copy of a tied tensor: the name of the other one, which speaks for both


@dataclass(frozen=True)
class Aligned:
    """A home folder, whose files, names and types the result has, and what its tensors are in the others."""

    home: Folder
    others: tuple[Folder, ...]
    trained: dict[str, Trained]  # by name, in stored order; all other tensors are copied

    @property
    def distinct(self) -> Iterator[Trained]:
        """Each tensor once, also where it is tied."""
        return (each for each in self.trained.values() if each.twin is None)


def align(home: Folder, others: Sequence[Folder]) -> Aligned:
    """ModelError that names every tensor that is missing, left over or of another shape.

    Integers, flags and the buffers of `naming.py` are the home folder's own. A head that a folder leaves out, because
    it is tied to the embedding, is that embedding. Reads nothing but headers, and the head and the embedding where
    one of the folders has both.
    """
    for folder in (home, *others):
        _check_plain(folder)
    names = [name for name in home if _is_trained(home, name)]
    matches = [_matches(home, names, other) for other in others]
    problems = [problem for found, other in zip(matches, others) for problem in _problems(home, names, found, other)]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise ModelError(
            "the folders do not hold the same tensors:\n"
            + "\n".join(f"  {each}" for each in (*problems[:_SHOWN], *more))
            + "\nGive a model and what was trained from it, with the same vocabulary; merge adapters first."
        )
    trained = {name: Trained(name, tuple(found[name] for found in matches)) for name in names}
    with Reader() as reader:
        if twin := _tied(reader, home, others, trained):
            trained[twin.name] = twin
    return Aligned(home, tuple(others), trained)


def _check_plain(folder: Folder) -> None:
    path = folder.path / "config.json"
    try:
        config = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as problem:
        raise ModelError(f"{path} is no JSON: get it again") from problem
    if isinstance(config, dict) and config.get("quantization_config"):
        raise ModelError(f"{folder.name} is quantized: its numbers are no weights. Give the model in full precision")
    for name in folder:
        dtype = folder.slot(name).dtype
        if dtype.is_floating_point and dtype.itemsize == 1:
            raise ModelError(
                f"{name} holds {type_name(dtype)} in {folder.name}: numbers of one byte go with scales, and are no "
                "weights without them. Give the model in full precision"
            )


def _is_trained(folder: Folder, name: str) -> bool:
    slot = folder.slot(name)
    return slot.dtype.is_floating_point and not is_buffer(name, len(slot.shape))


def _matches(home: Folder, names: Sequence[str], other: Folder) -> dict[str, str]:
    found = counterparts(names, other)
    head, embedding = head_among(names), embedding_among(other)
    if head is not None and head not in found and embedding is not None:
        found[head] = embedding
    return found


def _problems(home: Folder, names: Sequence[str], found: dict[str, str], other: Folder) -> Iterator[str]:
    for name in names:
        if name not in found:
            yield f"{name} is missing in {other.name}"
            continue
        mine, theirs = home.slot(name), other.slot(found[name])
        if mine.shape != theirs.shape:
            yield f"{name} has shape {mine.shape} in {home.name}, {theirs.shape} in {other.name}"
        elif not theirs.dtype.is_floating_point:
            yield f"{name} holds {theirs.dtype} in {other.name}, which are no weights"
    known = set(found.values())
    for name in other:
        if name not in known and _is_trained(other, name) and not _is_copied_head(other, name):
            yield f"{name} stands only in {other.name}, not in {home.name}"


def _is_copied_head(folder: Folder, name: str) -> bool:
    """A head that is the embedding once more says nothing new; the home folder may leave it out."""
    embedding = embedding_among(folder)
    if name != head_among(folder) or embedding is None:
        return False
    with Reader() as reader:
        return equal(reader, folder, name, embedding)


def _tied(reader: Reader, home: Folder, others: Sequence[Folder], trained: dict[str, Trained]) -> Trained | None:
    """The head, if in every folder that has one it is a copy of the embedding: what is drawn or counted, once."""
    head, embedding = head_among(trained), embedding_among(trained)
    if head is None or embedding is None or not equal(reader, home, head, embedding):
        return None
    pairs = zip(others, trained[head].others, trained[embedding].others)
    if not all(mine == theirs or equal(reader, other, mine, theirs) for other, mine, theirs in pairs):
        return None
    return Trained(head, trained[embedding].others, twin=embedding)
