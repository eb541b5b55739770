"""Asking and judging: what the attacks share that only ask.

The knowledge that an answer shows is 1 where the right one stands in it (`evaluate/matching.py` says when), and
otherwise the share of the right answer's words that it has in order: ROUGE-L recall, stemmed, as in
`evaluate/rouge_l_recall.py`. So a leak of half a name is half a leak. Deviations from ROUGE: see `evaluate/rouge.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expunge.attacks import Target
from expunge.data.example import Example
from expunge.evaluate.matching import says
from expunge.evaluate.rouge import rouge_l
from expunge.models.generating import generate


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: an example, another prompt in place of its own, how the answer has to begin."""

    example: Example
    prompt: str | None = None
    beginning: str = ""


def said(text: str, answers: Sequence[str]) -> float:
    """How much of the best of the accepted answers the text says, from 0 to 1.

    >>> said("It is Paris.", ["Paris"]), said("Paris, I think", ["Paris in France"])
    (1.0, 0.3333333333333333)
    """
    if any(says(text, answer) for answer in answers):
        return 1.0
    return rouge_l([text], [answers], "recall", stemmer=True)[0] if answers else 0.0


def accepted(example: Example) -> list[str]:
    """The answers that count as right."""
    return [example.answer, *example.aliases]


def prompt_tokens(target: Target, questions: Sequence[Question]) -> list[list[int]]:
    """What the model is given: the dressed prompt, and the tokens of the answer's beginning."""
    opened = [q for q in questions if q.beginning]
    encoded = iter(target.encoder.encode_many((q.example, q.prompt, q.beginning) for q in opened))
    tokens = []
    for question in questions:
        if question.beginning:
            each = next(encoded)
            tokens.append(list(each.ids[: len(each.ids) - each.tail]))
        else:
            tokens.append(target.encoder.encode_prompt(question.example, question.prompt))
    return tokens


def answers_to(target: Target, prompts: Sequence[Sequence[int]]) -> list[str]:
    """The greedy continuations of tokenized prompts, batched: none depends on another."""
    return generate(
        target.model, prompts, encoder=target.encoder, max_new_tokens=target.room, budget=target.budget,
        bf16=target.bf16, tick=target.tick,
    )  # fmt: skip


def ask(target: Target, questions: Sequence[Question | Example]) -> list[str]:
    """What the model says to each question (to an example's own, too), without the beginning that it was given."""
    asked = [each if isinstance(each, Question) else Question(each) for each in questions]
    return answers_to(target, prompt_tokens(target, asked))


def knowledge(target: Target, questions: Sequence[Question]) -> tuple[float, ...]:
    """How much of the right answer each reply says."""
    replies = ask(target, questions)
    return tuple(said(reply, accepted(q.example)) for q, reply in zip(questions, replies, strict=True))


def generator_of(target: Target, example: Example, purpose: str) -> np.random.Generator:
    """Randomness that belongs to one example, whatever stands beside it."""
    digest = hashlib.sha256(f"{target.seed}/{purpose}/{example.id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
