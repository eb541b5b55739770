"""Key statistics: the second moment of what a down projection reads, over a corpus. Meng et al. 2022,
arXiv:2202.05262.

    C_l = E[k kᵀ],   k = input of W_down^l, over all tokens of the corpus

uncentred. Texts stream through in pieces of at most `PIECE` tokens; all layers are read in one pass, which ends at the
deepest. Products of a batch are taken in float32, whatever the model's type, and added up in float64. What is done is
kept every minute, so a run that was killed goes on, to the same bits. Results are
kept, too (`statistics_store.py`).
Deviations: pieces in place of passages cut off at the model's length; any corpus (authors: 100,000 passages of
Wikipedia), the model's own texts where none is given.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expunge.config import ConventionConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.forest import pack, plant
from expunge.edit.corpus import Corpus
from expunge.edit.statistics_store import Kept, Say, Statistics
from expunge.errors import DataError
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import stopping_after, watch_mlp_input

PIECE = 256  # tokens of a text that are looked at together
BATCH = 2048  # tokens of a forward pass
EVERY = 60.0  # seconds between two notes of what is done
Tick = Callable[[int, str], object]


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
    folder = folder if weights else None
    tokenizer = Encoder(model.tokenizer, ConventionConfig(template="plain")).digest if folder else ""
    key = {
        "weights": weights, "tokenizer": tokenizer,
        "corpus": corpus.digest, "tokens": tokens, "piece": PIECE, "batch": BATCH, "type": str(model.network.dtype),
        "device": model.device.type,
    }  # fmt: skip
    kept = Kept(folder, key, say)
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
    model: Model, layers: Sequence[int], corpus: Corpus, tokens: int, kept: Kept, tick: Tick
) -> tuple[dict[int, Tensor], dict[int, float], int]:
    """Σ k kᵀ of each layer, Σ ‖k‖² over the pieces' first tokens, and how many tokens there were."""
    size = model.layout.d_ff
    sums = {layer: torch.zeros(size, size, dtype=torch.float64) for layer in layers}
    firsts = torch.zeros(len(layers), dtype=torch.float64)
    count, done = 0, 0
    if (begun := kept.begun(layers)) is not None:
        sums, firsts, count, done = begun
    noted = time.monotonic()
    for number, batch in enumerate(pieces_of(model, corpus, tokens)):
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
        raise DataError(f"corpus {' '.join(map(str, corpus.files)) or 'of the model itself'}: it holds no text")
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
        with stopping_after(model, max(layers)):
            forward(model, forest.to(model.device))
    return [each[0].float() for each in seen]


def pieces_of(model: Model, corpus: Corpus, tokens: int) -> Iterator[list[tuple[int, ...]]]:
    """Pieces of a corpus in its order, at most so many `tokens`, in batches by a rule of their own.

    So a second run meets the same.
    """
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
