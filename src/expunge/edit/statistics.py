"""Key statistics: the second moment of what a down projection reads, over a corpus. Meng et al. 2022,
arXiv:2202.05262.

    C_l = E[k kᵀ],   k = input of W_down^l, over all tokens of the corpus

uncentred. Texts stream through in pieces of at most `PIECE` tokens; all layers are read in one pass, which ends at the
deepest. Products of a batch are taken in float32, whatever the model's type, and added up in float64. What is done is
kept every minute, so a run that was killed goes on, to the same bits. Results stand in

    FOLDER/statistics/HASH.safetensors      HASH of (model, tokenizer, layer, corpus, tokens, type)

and may be deleted at any time; beyond `LIMIT` bytes those go that were not used for longest. Deviations: pieces in
place of passages cut off at the model's length; any corpus (authors: 100,000 passages of Wikipedia), the model's own
texts where none is given.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.config import ConventionConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.forest import pack, plant
from expunge.edit.corpus import Corpus
from expunge.errors import DataError
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import edit_residual, watch_mlp_input
from expunge.store import hash_of, trim

PIECE = 256  # tokens of a text that are looked at together
BATCH = 2048  # tokens of a forward pass
EVERY = 60.0  # seconds between two notes of what is done
LIMIT = 2**34  # bytes of all that is kept: a layer of a large model takes half a GB, and one edit reads several
Tick = Callable[[int, str], object]
Say = Callable[[str], object]


@dataclass(frozen=True)
class Statistics:
    """Of one layer."""

    moment: Float[Tensor, "d_ff d_ff"]  # C, float64
    tokens: int
    energy: float  # E‖k‖² without each piece's first token: the attention sink there may outweigh all the rest


def statistics_of(
    model: Model,
    layers: Sequence[int],
    corpus: Corpus,
    *,
    tokens: int,
    weights: str = "",
    folder: Path | None = None,
    say: Say = lambda text: None,
    tick: Tick = lambda done, remark: None,
) -> dict[int, Statistics]:
    """C of each layer over at most `tokens` tokens; kept in `folder` under `weights`, the weights' digest."""
    kept = _Kept(folder if weights else None, model, weights, corpus, tokens, say)
    found = {layer: stored for layer in layers if (stored := kept.get(layer)) is not None}
    missing = [layer for layer in layers if layer not in found]
    if missing:
        sums, firsts, count = _streamed(model, missing, corpus, tokens, kept, tick)
        for layer in missing:
            found[layer] = Statistics(sums[layer] / count, count, float(sums[layer].trace() - firsts[layer]) / count)
            kept.put(layer, found[layer])
        kept.forget(missing)
    return found


@torch.no_grad()
def _streamed(
    model: Model, layers: Sequence[int], corpus: Corpus, tokens: int, kept: "_Kept", tick: Tick
) -> tuple[dict[int, Tensor], dict[int, float], int]:
    """Σ k kᵀ of each layer, Σ ‖k‖² over the pieces' first tokens, and how many tokens there were."""
    size = model.layout.d_ff
    sums = {layer: torch.zeros(size, size, dtype=torch.float64) for layer in layers}
    firsts = torch.zeros(len(layers), dtype=torch.float64)
    count, done = 0, 0
    if (begun := kept.begun(layers)) is not None:
        sums, firsts, count, done = begun
    noted = time.monotonic()
    for number, batch in enumerate(_batches(model, corpus, tokens)):
        if number < done:
            continue
        starts = torch.tensor([0, *(len(piece) for piece in batch[:-1])]).cumsum(0)
        for i, (layer, keys) in enumerate(zip(layers, _keys(model, layers, batch))):
            sums[layer] += (keys.T @ keys).double().cpu()
            firsts[i] += keys[starts.to(keys.device)].double().square().sum().cpu()
        count += sum(len(piece) for piece in batch)
        tick(count, f"{count:,} of at most {tokens:,} tokens")
        if time.monotonic() - noted > EVERY:
            kept.note(layers, sums, firsts, count, number + 1)
            noted = time.monotonic()
    if count == 0:
        raise DataError(f"corpus {corpus.path or 'of the model itself'}: it holds no text")
    return sums, dict(zip(layers, firsts.tolist())), count


@torch.no_grad()
def summed(model: Model, layers: Sequence[int], pieces: Sequence[tuple[int, ...]]) -> dict[int, Tensor]:
    """Σ k kᵀ of each layer over all tokens of the pieces but their first ones."""
    size = model.layout.d_ff
    sums = {layer: torch.zeros(size, size, dtype=torch.float64) for layer in layers}
    for batch in pack([len(piece) for piece in pieces], BATCH):
        for layer, keys in zip(layers, _keys(model, layers, [pieces[i] for i in batch])):
            later = torch.cat([rows[1:] for rows in keys.split([len(pieces[i]) for i in batch])])
            sums[layer] += (later.T @ later).double().cpu()
    return sums


def _keys(model: Model, layers: Sequence[int], batch: Sequence[tuple[int, ...]]) -> list[Tensor]:
    forest = plant([[Encoded(piece, min(1, len(piece) - 1), "")] for piece in batch], keep_last=True)
    with ExitStack() as stack:
        seen = [stack.enter_context(watch_mlp_input(model, layer)) for layer in layers]
        stack.enter_context(edit_residual(model, max(layers), _stop))
        with suppress(_EnoughError):
            forward(model, forest.to(model.device))
    return [each[0].float() for each in seen]


def _batches(model: Model, corpus: Corpus, tokens: int) -> Iterator[list[tuple[int, ...]]]:
    """Pieces in the order of the corpus, in batches by a rule of their own, so that a second run meets the same."""
    batch: list[tuple[int, ...]] = []
    filled = left = 0
    for text in corpus.texts(model):
        ids: Any = model.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        for start in range(0, len(ids), PIECE):
            piece = tuple(ids[start : start + PIECE])[: tokens - left]
            if not piece:
                break
            if batch and filled + len(piece) > BATCH:
                yield batch
                batch, filled = [], 0
            batch.append(piece)
            filled, left = filled + len(piece), left + len(piece)
        if left >= tokens:
            break
    if batch:
        yield batch


class _Kept:
    """The files of one model and corpus; None keeps nothing."""

    def __init__(
        self, folder: Path | None, model: Model, weights: str, corpus: Corpus, tokens: int, say: Say
    ) -> None:  # fmt: skip
        self._folder = None if folder is None else folder / "statistics"
        self._say = say
        tokenizer = "" if folder is None else Encoder(model.tokenizer, ConventionConfig(template="plain")).digest
        self._key = {
            "weights": weights, "tokenizer": tokenizer, "corpus": corpus.digest, "tokens": tokens, "piece": PIECE,
            "batch": BATCH, "type": str(model.network.dtype), "device": model.device.type,
        }  # fmt: skip

    def _path(self, what: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{hash_of({**self._key, 'what': what})}.safetensors"

    def get(self, layer: int) -> Statistics | None:
        found = _load(self._path(f"layer {layer}"))
        if found is None:
            return None
        return Statistics(found[0]["moment"], int(found[1]["tokens"]), float(found[1]["energy"]))

    def put(self, layer: int, each: Statistics) -> None:
        self._save(
            self._path(f"layer {layer}"),
            {"moment": each.moment},
            {"tokens": str(each.tokens), "energy": repr(each.energy)},
        )

    def begun(self, layers: Sequence[int]) -> tuple[dict[int, Tensor], Tensor, int, int] | None:
        found = _load(self._path(f"begun {list(layers)}"))
        if found is None:
            return None
        sums, about = found
        by_layer = {layer: sums[str(layer)] for layer in layers}
        return by_layer, sums["firsts"], int(about["count"]), int(about["done"])

    def note(self, layers: Sequence[int], sums: dict[int, Tensor], firsts: Tensor, count: int, done: int) -> None:
        tensors = {"firsts": firsts, **{str(layer): sums[layer] for layer in layers}}
        self._save(self._path(f"begun {list(layers)}"), tensors, {"count": str(count), "done": str(done)})

    def forget(self, layers: Sequence[int]) -> None:
        if (path := self._path(f"begun {list(layers)}")) is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            trim(path.parent, LIMIT)

    def _save(self, path: Path | None, tensors: dict[str, Tensor], about: dict[str, str]) -> None:
        """A folder that cannot be written to costs time later, not the run."""
        if path is None:
            return
        try:
            with atomic_file(path) as partial:
                save_file({name: each.contiguous() for name, each in tensors.items()}, partial, about)
        except (OSError, SafetensorError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            self._say(f"cannot keep key statistics in {path.parent}: {why}")


def _load(path: Path | None) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """A file that is not there, or is broken, counts as none."""
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    with suppress(OSError):
        os.utime(path)  # used just now: see `trim`
    return found


class _EnoughError(Exception):
    """Nothing above the deepest layer is wanted."""


def _stop(_: Tensor) -> Tensor:
    raise _EnoughError
