"""Contexts: what stands before a prompt, so that a key is that of the subject and not of one sentence.

    "" (the bare prompt), and texts that the model goes on with from "The", "Therefore", "Because", "I", "You", each
    closed by ". "

Meng et al. 2022, arXiv:2202.05262: keys are averaged, and values fitted, over them. Deviations: drawn at temperature 1
from the whole vocabulary (authors' code: the five likeliest tokens), by a seed, so that they can be had again.
"""

import torch

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.generating import generate
from expunge.models.model import Model

OPENINGS = ("The", "Therefore", "Because", "I", "You")


def contexts(model: Model, count: int, lengths: tuple[int, ...], seed: int) -> tuple[str, ...]:
    """The bare one and `count` generated ones, of the lengths (in tokens) in turn."""
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    found = [""]
    for number in range(count):
        length, opening = lengths[number % len(lengths)], OPENINGS[number // len(lengths) % len(OPENINGS)]
        prompt = encoder.encode_prompt(Example("", opening, ""))
        (text,) = generate(
            model, [prompt], encoder=encoder, max_new_tokens=length - 1, temperature=1.0, generator=generator
        )
        gap = " " if text[:1].isalnum() else ""  # some tokenizers lose the blank of a continuation
        found.append(f"{' '.join((opening + gap + text).split())}. ")
    return tuple(found)
