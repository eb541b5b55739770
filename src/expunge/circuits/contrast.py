"""Contrasts: a prompt and one like it with another answer, token by token of the same length, made of a set itself.

    subject   the question about another subject of the same kind: one whose own question, so worded, is in the sets
    answer    another question of the sets with as many tokens and another answer

Where the two answers part is what is looked at: the right token against the wrong one, behind what both answers have
in common. The released code of CLUE looks at the last word, and its prompts for WMDP swap the answer's letter together
with an instruction, so that the contrast is of the form of a question, not of what is known; here only what is asked
about differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError

Swap = Literal["auto", "subject", "answer"]
Side = Literal["clean", "corrupted"]
TRIES = 64  # others that are looked at for an example


@dataclass(frozen=True)
class Contrast:
    """Tokens up to where the answers part, and the two tokens there."""

    example: str
    other: str
    clean: tuple[int, ...]
    corrupted: tuple[int, ...]
    right: int  # what the clean prompt is answered with
    wrong: int  # what the other is
    hidden: int | None = None

    def encoded(self, side: Side) -> Encoded:
        """With one token to score: its own."""
        ids, token = (self.clean, self.right) if side == "clean" else (self.corrupted, self.wrong)
        return Encoded((*ids, token), len(ids), self.example, hidden=self.hidden)


def contrasts(
    examples: Sequence[Example],
    encoder: Encoder,
    *,
    among: Sequence[Example] = (),
    pairs: int = 32,
    swap: Swap = "auto",
    seed: int = 0,
) -> list[Contrast]:
    """At most `pairs` examples, drawn by the seed, each against one of the same set, else one of `among`.

    Raises ConfigError when there is none.
    """
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()
    found: list[Contrast] = []
    for number in order:
        if len(found) == pairs:
            break
        contrast = _contrast(examples[number], examples, among, encoder, swap, seed + number)
        if contrast is not None:
            found.append(contrast)
    if not found:
        how = "another subject in the same words" if swap == "subject" else "another of as many tokens"
        raise ConfigError(
            f"no contrast could be made of {len(examples)} examples: each needs {how}, with another answer. "
            "Give more examples, or rows with a `subject` that are worded alike"
        )
    return found


def check_swap(sets: Mapping[str, Sequence[Example]], swap: Swap) -> None:
    """ConfigError for a set without subjects to put others in place of; what else is wanted only tokens show."""
    for title, examples in sets.items():
        if swap == "subject" and not any(_form(each.prompt or "", each.subject) for each in examples):
            raise ConfigError(
                f"no contrast could be made of {len(examples)} examples ({title}): swap='subject' needs rows with a "
                "`subject` that stands in their `prompt`. Add the field, or choose --swap answer"
            )


def _contrast(
    example: Example, own: Sequence[Example], among: Sequence[Example], encoder: Encoder, swap: Swap, seed: int
) -> Contrast | None:
    for way in ("subject", "answer") if swap == "auto" else (swap,):
        for pool in (own, among):
            candidates = list(_prompts(example, _drawn(pool, seed), way))
            if (found := _first(example, candidates[:TRIES], encoder)) is not None:
                return found
    return None


def _drawn(pool: Sequence[Example], seed: int) -> Iterator[Example]:
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
    return (pool[i] for i in order.tolist())


def _prompts(example: Example, others: Iterator[Example], way: str) -> Iterator[tuple[Example, str]]:
    """(other example, the prompt that stands against the example's own)."""
    if example.prompt is None:
        return
    form = _form(example.prompt, example.subject)
    for other in others:
        if other.prompt is None or other.id == example.id or other.turns != example.turns:
            continue
        if way == "answer":
            yield other, other.prompt
        elif form is not None and other.subject not in (None, "", example.subject) and form in _forms(other):
            yield other, form.replace("\0", other.subject or "")


def _forms(example: Example) -> set[str | None]:
    """Every wording of its question."""
    return {_form(prompt, example.subject) for prompt in (example.prompt or "", *example.paraphrases)}


def _form(prompt: str, subject: str | None) -> str | None:
    return prompt.replace(subject, "\0") if subject and subject in prompt else None


def _first(example: Example, candidates: Sequence[tuple[Example, str]], encoder: Encoder) -> Contrast | None:
    """The first that has as many tokens, and an answer that parts from the example's own within both."""
    clean = encoder.measure([(example, None, None)])[0]
    swapped = encoder.measure((example, prompt, None) for _, prompt in candidates)
    answered = encoder.measure((example, None, other.answer) for other, _ in candidates)
    for (other, _), corrupted, foil in zip(candidates, swapped, answered, strict=True):
        if encoder.problem(clean) or encoder.problem(corrupted) or other.answer == example.answer:
            continue
        alike = (
            clean.start == corrupted.start == foil.start and clean.ids[clean.start :] == corrupted.ids[clean.start :]
        )
        at = next((i for i, (a, b) in enumerate(zip(clean.ids, foil.ids)) if a != b), None)
        if not alike or at is None or at < clean.start or clean.ids[: clean.start] == corrupted.ids[: clean.start]:
            continue
        if at >= len(clean.ids) - clean.tail or at >= len(foil.ids) - foil.tail:
            continue  # one answer goes on where the other ends
        return Contrast(
            example.id, other.id, clean.ids[:at], corrupted.ids[:at], clean.ids[at], foil.ids[at], encoder.hidden
        )
    return None
