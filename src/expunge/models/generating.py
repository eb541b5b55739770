"""Greedy and sampled answers, batched by prompt length."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from expunge.data.convention import Encoder
from expunge.data.forest import pack
from expunge.errors import ConfigError, NotANumberError
from expunge.models.attaching import attached_to
from expunge.models.key_values import reserved_cache
from expunge.models.model import Model

_WORTH = 8  # tokens: a beginning that is worth a pass of its own


@torch.inference_mode()
def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    *,
    encoder: Encoder,
    max_new_tokens: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    budget: int = 2048,
    bf16: bool = False,
    tick: Callable[[int], object] = lambda _: None,
) -> list[str]:
    """The model's continuations of tokenized prompts, in the order given, special tokens left out.

    `encoder` is the one that made the prompts: it knows what ends an answer, and which token attention does not see
    and positions do not count (see `data/convention.py`). Temperature 0 is greedy; otherwise `generator` makes the draw
    repeatable. Prompts are padded to the longest of their batch, behind what they all begin with, and masked, so
    neighbours do not change an answer; a finished answer leaves its batch. `budget` bounds prompt plus new tokens of a
    batch.
    """
    tokens = generate_tokens(
        model, prompts, encoder=encoder, max_new_tokens=max_new_tokens, temperature=temperature, generator=generator,
        budget=budget, bf16=bf16, tick=tick,
    )  # fmt: skip
    return [text_of(model, ids) for ids in tokens]


@torch.inference_mode()
def generate_tokens(
    model: Model,
    prompts: Sequence[Sequence[int]],
    *,
    encoder: Encoder,
    max_new_tokens: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    budget: int = 2048,
    bf16: bool = False,
    tick: Callable[[int], object] = lambda _: None,
) -> list[list[int]]:
    """What `generate` gives, as tokens without the end: fewer than `max_new_tokens` if the answer came to one."""
    _check_room(model, prompts, max_new_tokens)
    if temperature and generator is None:
        raise ValueError("sampling needs a `generator`, so that it can be repeated")
    choose = lambda logits, _rows, _step: _choose(logits, temperature, generator)
    answers: list[list[int]] = [[] for _ in prompts]
    for batch in pack([len(p) + max_new_tokens for p in prompts], budget):
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            tokens = _decode(model, [list(prompts[i]) for i in batch], max_new_tokens, choose, encoder)
        for i, ids in zip(batch, tokens):
            answers[i] = ids
        tick(len(batch))
    return answers


@torch.inference_mode()
def sample(
    model: Model,
    prompts: Sequence[Sequence[int]],
    draws: Sequence[np.random.Generator],
    *,
    encoder: Encoder,
    samples: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    budget: int = 2048,
    bf16: bool = False,
    tick: Callable[[int], object] = lambda _: None,
) -> list[list[str]]:
    """Several drawn continuations of each prompt, in the order given, special tokens left out.

    A prompt is computed once for all of its samples. Each has a generator of its own, from which all its numbers are
    drawn beforehand, so neither the other prompts nor their order nor the batches change what is drawn. `budget` bounds
    prompt plus new tokens of a batch, counted once a sample.
    """
    _check_room(model, prompts, max_new_tokens)
    numbers = [draw.random((max_new_tokens, samples)) for draw in draws]
    shares = [
        _Share(i, first, min(first + room, samples))
        for i, prompt in enumerate(prompts)
        for room in [max(1, budget // (len(prompt) + max_new_tokens))]
        for first in range(0, samples, room)
    ]
    answers = [[""] * samples for _ in prompts]
    for batch in pack([(s.stop - s.first) * (len(prompts[s.prompt]) + max_new_tokens) for s in shares], budget):
        asked = [shares[i] for i in batch]
        owners = [(share, number) for share in asked for number in range(share.first, share.stop)]
        drawn = np.concatenate([numbers[s.prompt][:, s.first : s.stop] for s in asked], axis=1)
        choose = lambda logits, rows, step, drawn=drawn: _draw(
            logits / temperature, torch.from_numpy(drawn[step, rows])
        )
        copies = [share.stop - share.first for share in asked]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            given = [list(prompts[s.prompt]) for s in asked]
            tokens = _decode(model, given, max_new_tokens, choose, encoder, copies)
        for (share, number), ids in zip(owners, tokens, strict=True):
            answers[share.prompt][number] = text_of(model, ids)
        tick(sum(share.stop == samples for share in asked))
    return answers


class _Share(NamedTuple):
    """Those samples of a prompt that are drawn in one batch."""

    prompt: int
    first: int
    stop: int


def _check_room(model: Model, prompts: Sequence[Sequence[int]], new: int) -> None:
    room = getattr(model.network.config, "max_position_embeddings", None)  # GPT-2 answers to this name, too
    if room is not None and (longest := max(map(len, prompts), default=0)) + new > room:
        raise ConfigError(
            f"a prompt of {longest:,} tokens and {new:,} new ones do not fit into the model's {room:,} "
            "positions: set a lower `max_new_tokens`, or leave out the metrics that generate"
        )


def _decode(
    model: Model,
    prompts: list[list[int]],
    limit: int,
    choose: Callable[[Tensor, list[int], int], Tensor],
    encoder: Encoder,
    copies: Sequence[int] | None = None,
) -> list[list[int]]:
    """The loop itself: one key-value cache, from which finished rows are dropped.

    `choose` takes logits, which row each of them is, and the step. With `copies` a prompt's row becomes that many
    after the pass over the prompts.
    """
    longest = max(map(len, prompts))
    ends = end_tokens(model, encoder)
    device = model.device
    cache = reserved_cache(model, longest + limit)
    alike = _read_once(model, prompts, cache, longest + limit)
    pad = lambda prompt, row: [*row[:alike], *[0] * (longest - len(prompt)), *row[alike:]]
    ids = torch.tensor([pad(p, p) for p in prompts], device=device)
    mask = torch.tensor([pad(p, [int(token != encoder.hidden) for token in p]) for p in prompts], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    run = partial(model.network, past_key_values=cache, use_cache=True, logits_to_keep=1)
    if alike:  # what all prompts begin with is read once
        run(input_ids=ids[:1, :alike], attention_mask=mask[:1, :alike], position_ids=positions[:1, :alike])
        cache.batch_select_indices(torch.zeros(len(prompts), dtype=torch.long, device=device))
        ids, positions = ids[:, alike:], positions[:, alike:]
    rows = list(range(len(prompts) if copies is None else sum(copies)))  # which answer each row of the batch still is
    done: list[list[int]] = [[] for _ in rows]
    for step in range(limit):
        output = run(input_ids=ids, attention_mask=mask, position_ids=positions)
        logits = output.logits[:, -1].float()
        if step == 0 and copies is not None:
            spread = torch.repeat_interleave(torch.tensor(copies)).to(device)
            cache.batch_select_indices(spread)
            logits, mask, positions = logits[spread], mask[spread], positions[spread]
        chosen = choose(logits, rows, step)
        picked = chosen.tolist()
        going = [i for i, token in enumerate(picked) if token not in ends]
        for i in going:
            done[rows[i]].append(picked[i])
        if not going:
            break
        if len(going) < len(rows):
            keep = torch.tensor(going, device=device)
            cache.batch_select_indices(keep)
            chosen, mask, positions = chosen[keep], mask[keep], positions[keep]
            rows = [rows[i] for i in going]
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)
        positions = positions[:, -1:] + 1
    return done


def _read_once(model: Model, prompts: list[list[int]], cache: DynamicCache, room: int) -> int:
    """How many tokens all prompts begin with, where it is worth reading them apart from the rest.

    Padding then stands behind them, which a window would count; a side memory decides on a prompt as a whole.
    """
    windows = [getattr(layer, "sliding_window", None) for layer in cache.layers]
    if len(prompts) == 1 or attached_to(model) or any(window is not None and window < room for window in windows):
        return 0
    first, last = min(prompts), max(prompts)  # in order: what these two share, all do
    same = next((i for i, (a, b) in enumerate(zip(first, last)) if a != b), len(first))
    same = min(same, *(len(prompt) - 1 for prompt in prompts))
    return same if same >= _WORTH else 0


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    _check_numbers(logits)
    if not temperature:
        return logits.max(-1).indices  # argmax is slow in bfloat16
    # drawn on the processor, so that every device draws the same
    return torch.multinomial((logits / temperature).softmax(-1).cpu(), 1, generator=generator)[:, 0].to(logits.device)


def _check_numbers(logits: Tensor) -> None:
    if logits.amax(-1).isnan().any():  # NaN is the largest there is
        raise NotANumberError("where it answers")


def _draw(logits: Float[Tensor, "rows vocab"], numbers: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """The token in whose stretch of the cumulative distribution a row's number (from 0 to 1) falls."""
    _check_numbers(logits)
    # on the processor, so that every device draws the same
    heights = logits.softmax(-1).cpu().double().cumsum(-1)
    places = torch.searchsorted(heights, (numbers * heights[:, -1])[:, None], right=True)[:, 0]
    return places.clamp(max=heights.shape[1] - 1).to(logits.device)


def text_of(model: Model, ids: list[int]) -> str:
    """Generated tokens as what is said: special tokens left out."""
    return str(model.tokenizer.decode(ids, skip_special_tokens=True))


def end_tokens(model: Model, encoder: Encoder) -> set[int]:
    """Every id that ends an answer: the encoder's, the configuration's, the generation configuration's."""
    found = set(encoder.ends)
    for holder in (model.network.config, getattr(model.network, "generation_config", None)):
        ids = getattr(holder, "eos_token_id", None)
        found.update([ids] if isinstance(ids, int) else ids or [])
    return found
