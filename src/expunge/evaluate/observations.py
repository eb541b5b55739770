"""Observations: the shared forward passes on which every metric is array arithmetic.

A set is scored once (log-probability and hit of each answer token) and answered once (greedily, where scoring
has not shown the answer); what a metric does not need is not measured. All answers of an example (the right one, its
paraphrase, the wrong ones) are scored together, so that their prompt is computed once.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.room import room
from expunge.evaluate.shown import shown
from expunge.models.generating import end_tokens, generate_tokens, text_of
from expunge.models.gradient_norms import gradient_norms
from expunge.models.key_values import cached_tokens
from expunge.models.model import Model
from expunge.models.scoring import Scores, score

Tick = Callable[[int], object]
MOMENTS = frozenset({"vocab_means", "vocab_stds"})
RIGHT = MOMENTS | {"answer_logprobs", "hits"}  # of the right answer
SCORED = RIGHT | {"paraphrased_logprobs", "perturbed_logprobs"}


@dataclass(frozen=True, slots=True)
class Scored:
    """What one answer got, token by token."""

    log_probs: np.ndarray  # Float[tokens]
    hits: np.ndarray  # Bool[tokens]
    tail: int  # how many of the last tokens are left out "without the end"
    moments: np.ndarray | None = None  # Float[tokens, 2], where they were asked for

    def within(self, span: str) -> "Scored":
        """ "without_end" leaves out the tokens that close an answer."""
        stop = len(self.hits) - (self.tail if span == "without_end" else 0)
        moments = None if self.moments is None else self.moments[:stop]
        return replace(self, log_probs=self.log_probs[:stop], hits=self.hits[:stop], moments=moments)


@dataclass(frozen=True)
class Observed:
    """What was seen of one model on one set, one entry an example, in the order of the data."""

    right: list[Scored] = field(default_factory=list)
    paraphrased: list[Scored] = field(default_factory=list)
    perturbed: list[list[Scored]] = field(default_factory=list)
    generations: list[str] = field(default_factory=list)
    continuations: list[str] = field(default_factory=list)
    continued: list[str] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    answer_texts: list[str] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    asked: list[Example] = field(default_factory=list)

    def within(self, span: str) -> dict[str, Sequence[Any]]:
        """By name, as metrics ask for them."""
        right = [each.within(span) for each in self.right]
        moments = [each.moments for each in right if each.moments is not None]
        return {
            "answer_logprobs": [each.log_probs for each in right],
            "hits": [each.hits for each in right],
            "vocab_means": [each[:, 0] for each in moments],
            "vocab_stds": [each[:, 1] for each in moments],
            "paraphrased_logprobs": [each.within(span).log_probs for each in self.paraphrased],
            "perturbed_logprobs": [[each.within(span).log_probs for each in several] for several in self.perturbed],
            "generations": self.generations,
            "continuations": self.continuations,
            "continued": self.continued,
            "answers": self.answers,
            "answer_texts": self.answer_texts,
            "gradient_norms": self.gradient_norms,
            "asked": self.asked,
        }


def observe(
    model: Model,
    examples: Sequence[Example],
    encoder: Encoder,
    needs: Collection[str],
    *,
    max_new_tokens: int | None = None,
    prefix_tokens: int = 50,
    continued_tokens: int = 128,
    budget: int = 4096,
    bf16: bool = False,
    tick: Tick = lambda _: None,
) -> Observed:
    """Score and answer a set. `needs` are names of `OBSERVATIONS`; `tick` is told how many examples are done.

    `max_new_tokens` are of an answer; None: as these examples need (see `data/room.py`).
    """
    answers = [[example.answer, *example.aliases] for example in examples]
    seen = Observed(answers=answers)
    if SCORED & set(needs):
        wanted = [list(_answers(example, needs)) for example in examples]
        scored = _score(model, encoder, examples, wanted, budget, bf16, moments=bool(MOMENTS & set(needs)))
        seen = _sorted(examples, scored, needs, answers)
    seen = replace(seen, asked=list(examples))
    said = partial(_said, model, encoder, examples, seen.right, budget=budget, bf16=bf16, tick=tick)
    if "generations" in needs:
        prompts = [encoder.encode_prompt(example) for example in examples]
        longest = max_new_tokens or room([examples], encoder)
        seen = replace(seen, generations=said(range(len(examples)), prompts, longest))
    if "answer_texts" in needs:
        seen = replace(seen, answer_texts=[encoder.answer_text(example) for example in examples])
    if "gradient_norms" in needs:
        seen = replace(seen, gradient_norms=gradient_norms(model, encoder.encode_all(examples), bf16=bf16))
    if "continuations" in needs:
        cut = [_cut(encoder, example, prefix_tokens, continued_tokens) for example in examples]
        texts = [""] * len(examples)
        for limit in sorted({length for _, length, _ in cut}):  # no longer than the text goes on
            rows = [i for i, (_, length, _) in enumerate(cut) if length == limit]
            found = said(rows, [cut[i][0] for i in rows], limit)
            for i, text in zip(rows, found, strict=True):
                texts[i] = text
        seen = replace(seen, continuations=texts, continued=[rest for *_, rest in cut])
    return seen


def _said(
    model: Model, encoder: Encoder, examples: Sequence[Example], right: Sequence[Scored], rows: Sequence[int],
    prompts: Sequence[Sequence[int]], longest: int, *, budget: int, bf16: bool, tick: Tick,
) -> list[str]:  # fmt: skip
    """The greedy answers of some rows to these prompts; only those that scoring has not shown are generated."""
    answers: list[list[int] | None] = [None] * len(rows)
    if right:
        encoded, ends = encoder.encode_all(examples[i] for i in rows), end_tokens(model, encoder)
        answers = [shown(each, right[i].hits, prompt, ends, longest) for each, i, prompt in zip(encoded, rows, prompts)]
    left = [n for n, answer in enumerate(answers) if answer is None]
    tick(len(rows) - len(left))
    found = generate_tokens(
        model, [prompts[n] for n in left], encoder=encoder, max_new_tokens=longest,
        budget=cached_tokens(model, budget), bf16=bf16, tick=tick,
    )  # fmt: skip
    new = dict(zip(left, found, strict=True))
    return [text_of(model, new[n] if answer is None else answer) for n, answer in enumerate(answers)]


def _answers(example: Example, needs: Collection[str]) -> Iterator[str]:
    """What is scored after an example's prompt: the answer, its paraphrase where there is one, the wrong ones."""
    if RIGHT & set(needs):
        yield example.answer
    if "paraphrased_logprobs" in needs:
        if example.paraphrased_answer is not None:
            yield example.paraphrased_answer
        elif not RIGHT & set(needs):
            yield example.answer
    if "perturbed_logprobs" in needs:
        yield from example.perturbed_answers


def _cut(encoder: Encoder, example: Example, prefix_tokens: int, continued_tokens: int) -> tuple[list[int], int, str]:
    """What a model is given of a text, how many tokens it goes on for, and with what.

    A passage is cut where its prompt ends; a document after `prefix_tokens` tokens, or in the middle if that is sooner.
    """
    encoded = encoder.encode(example)
    text = encoded.ids[: len(encoded.ids) - encoded.tail]
    prefix, start = encoder.encode_prompt(example), encoded.start
    if example.prompt is None:
        start += min(prefix_tokens, (len(text) - start) // 2)
        prefix = list(text[:start])
    rest = list(text[start : start + continued_tokens])
    return prefix, len(rest), str(encoder.tokenizer.decode(rest, skip_special_tokens=True))


def _score(
    model: Model, encoder: Encoder, examples: Sequence[Example], wanted: list[list[str]], budget: int, bf16: bool,
    moments: bool,
) -> list[list[Scored]]:  # fmt: skip
    """Each answer of each example, in the order given."""
    pairs = [(example, answer) for example, several in zip(examples, wanted) for answer in several]
    encoded = iter(encoder.encode_many((example, None, answer) for example, answer in pairs))
    groups = [[next(encoded) for _ in several] for several in wanted]
    found = score(model, groups, budget=budget, bf16=bf16, moments=moments)
    return [[_arrays(s, e.tail) for s, e in zip(scores, group)] for scores, group in zip(found, groups)]


def _arrays(scores: Scores, tail: int) -> Scored:
    moments = None if scores.moments is None else scores.moments.double().numpy()
    return Scored(scores.log_probs.double().numpy(), scores.hits.numpy(), tail, moments)


def _sorted(
    examples: Sequence[Example], scored: list[list[Scored]], needs: Collection[str], answers: list[list[str]]
) -> Observed:
    """The scored answers by what they are (see `_answers`)."""
    right = [each[0] for each in scored] if RIGHT & set(needs) else []
    paraphrased, perturbed = [], []
    if "paraphrased_logprobs" in needs:
        second = 1 if right else 0
        paraphrased = [s[0 if e.paraphrased_answer is None else second] for e, s in zip(examples, scored)]
    if "perturbed_logprobs" in needs:
        perturbed = [s[len(s) - len(e.perturbed_answers) :] for e, s in zip(examples, scored)]
    return Observed(right, paraphrased, perturbed, answers=answers)


def why_not(need: str, examples: Sequence[Example]) -> str:
    """Why these examples cannot give an observation, or "".

    Values stand in the order of the data, so that a metric is had of every example of a set or of none. Only where *no*
    example has a paraphrased answer the answer itself stands for it.
    """
    if need in ("generations", "continuations", "continued"):
        texts = sum(not example.asks for example in examples)
        if need == "generations":
            return "holds documents, which ask nothing" if texts else ""
        return "" if texts == len(examples) else "holds questions, which are no texts to go on with"
    without = {
        "perturbed_logprobs": [e.perturbed_answers or None for e in examples],
        "paraphrased_logprobs": [e.paraphrased_answer for e in examples],
    }.get(need, []).count(None)
    if not without:
        return ""
    if need == "paraphrased_logprobs":
        return "" if without == len(examples) else f"{without} of {len(examples)} examples have no paraphrased answer"
    return f"{without} of {len(examples)} examples have no perturbed answers"


def reworded(examples: Sequence[Example], number: int) -> list[Example]:
    """The examples that have a paraphrase `number` (from 0), asked with it."""
    return [
        replace(example, prompt=example.paraphrases[number])
        for example in examples
        if len(example.paraphrases) > number
    ]
