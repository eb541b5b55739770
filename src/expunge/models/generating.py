"""Greedy and sampled answers, batched by prompt length."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from expunge.data.forest import pack
from expunge.errors import ConfigError
from expunge.models.key_values import reserved_cache
from expunge.models.model import Model


@torch.inference_mode()
def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 32,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    budget: int = 2048,
    bf16: bool = False,
    hidden: int | None = None,
    tick: Callable[[int], object] = lambda _: None,
) -> list[str]:
    """The model's continuations of tokenized prompts, in the order given, special tokens left out.

    Temperature 0 is greedy; otherwise `generator` makes the draw repeatable. Prompts are padded on the left to the
    longest of their batch and masked, so neighbours do not change an answer; a finished answer leaves its batch.
    `budget` bounds prompt plus new tokens of a batch. `hidden` is a token that attention does not see and positions do
    not count (see `data/convention.py`).
    """
    room = getattr(model.network.config, "max_position_embeddings", None)  # GPT-2 answers to this name, too
    if room is not None and (longest := max(map(len, prompts), default=0)) + max_new_tokens > room:
        raise ConfigError(
            f"a prompt of {longest:,} tokens and {max_new_tokens:,} new ones do not fit into the model's {room:,} "
            "positions: lower `max_new_tokens`, or leave out the metrics that generate"
        )
    if temperature and generator is None:
        raise ValueError("sampling needs a `generator`, so that it can be repeated")
    answers = [""] * len(prompts)
    for batch in pack([len(p) + max_new_tokens for p in prompts], budget):
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            tokens = _decode(model, [list(prompts[i]) for i in batch], max_new_tokens, temperature, generator, hidden)
        for i, ids in zip(batch, tokens):
            answers[i] = str(model.tokenizer.decode(ids, skip_special_tokens=True))
        tick(len(batch))
    return answers


def _decode(
    model: Model,
    prompts: list[list[int]],
    limit: int,
    temperature: float,
    generator: torch.Generator | None,
    hidden: int | None,
) -> list[list[int]]:
    """The loop itself: one key-value cache, from which finished rows are dropped."""
    longest = max(map(len, prompts))
    ends = end_tokens(model)
    device = model.device
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts], device=device)
    seen = [[int(token != hidden) for token in p] for p in prompts]
    mask = torch.tensor([[0] * (longest - len(p)) + p for p in seen], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    rows = list(range(len(prompts)))  # which prompt each row of the batch still is
    done: list[list[int]] = [[] for _ in prompts]
    cache = reserved_cache(model, longest + limit)
    for _ in range(limit):
        output = model.network(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        chosen = _choose(output.logits[:, -1].float(), temperature, generator)
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


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if not temperature:
        return logits.argmax(-1)
    # drawn on the processor, so that every device draws the same
    return torch.multinomial((logits / temperature).softmax(-1).cpu(), 1, generator=generator)[:, 0].to(logits.device)


def end_tokens(model: Model) -> set[int]:
    """Every id that ends an answer: the tokenizer's, the configuration's, the generation configuration's."""
    found: set[int] = set()
    settings = getattr(model.network, "generation_config", None)
    for holder in (model.tokenizer, model.network.config, settings):
        ids = getattr(holder, "eos_token_id", None)
        found.update([ids] if isinstance(ids, int) else ids or [])
    return found
