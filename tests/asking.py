"""Targets whose answers stand in a table, so that prompts and scores can be worked out by hand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import torch

from architectures import tiny_network
from byte_tokenizer import CHATML, byte_tokenizer
from expunge.attacks import Finding, Target, attacks
from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.layout import layout_of
from expunge.models.model import Model

FACTS = (
    Example(
        id="a", prompt="Who employs Ada Holt?", answer="Silund Energy", subject="Ada Holt", group="ada",
        aliases=("Silund",), perturbed_answers=("Vorora Glass", "Lumtex"),
        paraphrases=("Where does Ada Holt work?", "Whose staff is Ada Holt on?"),
    ),
    Example(
        id="b", prompt="Bram Lunt lives in", answer="Wexford", subject="Bram Lunt", group="bram",
        perturbed_answers=("Thornmouth", "Quarhaven"), paraphrases=("The home of Bram Lunt is",),
    ),
    Example(
        id="c", prompt="When was Cora Bly born?", answer="2 May 1965", subject="Cora Bly", group="cora",
        perturbed_answers=("3 June 1990",),
    ),
)  # fmt: skip


@lru_cache
def byte_model(template: str | None = None) -> Model:
    """A random network that reads bytes; its prompts can be decoded to what was asked."""
    tokenizer = byte_tokenizer(template=template)
    network = tiny_network("llama", len(tokenizer), max_position_embeddings=2048)
    network.set_attn_implementation("packed")
    return Model(network=network, tokenizer=tokenizer, layout=layout_of(network), name="bytes")


def target_of(examples: Sequence[Example] = FACTS, *, chat: bool = False, **changes: Any) -> Target:
    model = byte_model(CHATML if chat else None)
    convention = ConventionConfig(max_length=2048)
    return Target(model, tuple(examples), Encoder(model.tokenizer, convention), **changes)


@contextmanager
def answering(reply: Callable[[str], str]) -> Iterator[list[str]]:
    """Within the block, generated text is a function of the prompt's; collects the prompts."""
    asked: list[str] = []

    def generate(model: Model, prompts: Sequence[Sequence[int]], **_: object) -> list[str]:
        texts = [str(model.tokenizer.decode(list(prompt), skip_special_tokens=False)) for prompt in prompts]
        asked.extend(texts)
        return [reply(text) for text in texts]

    with patch("expunge.attacks.saying.generate", generate):
        yield asked


@contextmanager
def saying(model: Model, tokens: list[int]) -> Iterator[None]:
    """Within the block the network goes on with these tokens, one after another, whatever it is given."""
    place = -1

    def write(_: object, __: object, named: dict[str, Any], output: Any) -> Any:
        nonlocal place
        place = 0 if named["input_ids"].shape[1] > 1 else place + 1
        output.logits = torch.full_like(output.logits, -100.0)
        output.logits[..., tokens[place]] = 100.0
        return output

    handle = model.network.register_forward_hook(write, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def found(name: str, target: Target, reply: Callable[[str], str] = lambda _: "", **options: Any) -> list[Finding]:
    """What an attack finds when the model answers by a function of the prompt."""
    with answering(reply):
        return list(attacks.get(name)(target, **options))


def asked(name: str, target: Target, **options: Any) -> list[str]:
    """The prompts that an attack makes, as text."""
    with answering(lambda _: "") as prompts:
        attacks.get(name)(target, **options)
    return prompts
