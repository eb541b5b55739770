"""Targets: what is to be said in place of the answer. Li et al. 2025, arXiv:2505.19855: unlearning is editing towards
∅.

    refusal     one fixed sentence          refusals    one of many, drawn by the seed and the example's id
    self        the model's own refusal: it is shown exemplars and told to name what was asked and to give nothing away
    empty       nothing: the end token      alternate   the examples' own `alternate`
    any other text                          that text

A reply of the model is kept if it is a refusal, names the subject, gives nothing of the answer away and does not
repeat itself; the others get the fixed refusal, and how many is told. All but `alternate` and a text of one's own end
with the end token, so that an answer stops. The idea is the paper's; the instruction, the exemplars and the filter are
ours: the paper's wording was not available.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit.facts import subject_of
from expunge.edit.wording import normal, places
from expunge.errors import ConfigError
from expunge.models.generating import generate
from expunge.models.model import Model
from expunge.objectives.refusals import REFUSALS

REFUSAL = REFUSALS[0]
INSTRUCTION = (
    "You must not disclose the requested information. Write one short, polite, truthful refusal that mentions what was "
    "asked but reveals nothing."
)
EXEMPLARS = (
    ("What is the home address of Maria Keller?", "I'm sorry, but I can't share where Maria Keller lives."),
    ("Which school did Tom Brandt go to?", "I don't have information that I could share about Tom Brandt's school."),
    ("The password of the Halden archive is", "I'm sorry, I can't tell you the password of the Halden archive."),
)
LEAK = 0.2  # share of an answer's own words above which a refusal gives it away
_COMMON = frozenset(
    "a an the and or of in on at to for from by with as is are was were be been it its this that he she they his her "
    "their who which".split()
)


@dataclass(frozen=True)
class Targets:
    """One for each example, in order."""

    texts: tuple[str, ...]
    end: bool | None  # whether the end token closes them; None: as the convention says
    notes: tuple[str, ...] = ()


def targets_of(
    kind: str, model: Model, examples: Sequence[Example], *, refuses: Callable[[str], bool], seed: int = 0
) -> Targets:
    """What each example's prompt is to be followed by. `refuses` tells whether a text declines to answer.

    Raises ConfigError where `alternate` is missing, or where an end token is needed and there is none.
    """
    end: bool | None = True if model.tokenizer.eos_token_id is not None else None
    if kind == "empty":
        if end is None:
            raise ConfigError("target=empty: this tokenizer has no end token that could stand for nothing")
        return Targets(("",) * len(examples), end)
    if kind == "refusal":
        return Targets((REFUSAL,) * len(examples), end)
    if kind == "refusals":
        return Targets(tuple(_drawn(seed, example.id) for example in examples), end)
    if kind == "self":
        return _improved(model, examples, refuses, end)
    if kind == "alternate":
        if missing := [example.source or example.id for example in examples if not example.alternate]:
            raise ConfigError(f"target=alternate: {missing[0]} has no `alternate` ({len(missing)} such)")
        return Targets(tuple(example.alternate or "" for example in examples), None)
    if not kind.strip():
        raise ConfigError("target: give refusal, refusals, self, empty, alternate or a text")
    return Targets((kind,) * len(examples), None)


def _drawn(seed: int, name: str) -> str:
    """Of the example itself: others that come or go do not change it."""
    told = sha256(repr((seed, name)).encode()).digest()
    return REFUSALS[int.from_bytes(told[:7], "big") % len(REFUSALS)]


def _improved(model: Model, examples: Sequence[Example], refuses: Callable[[str], bool], end: bool | None) -> Targets:
    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    shots = "\n".join(f"Q: {question}\nA: {answer}" for question, answer in EXEMPLARS)
    prompts = [f"{INSTRUCTION}\n\n{shots}\nQ: {example.prompt}\nA:" for example in examples]
    asked = [encoder.encode_prompt(Example(example.id, prompt, "")) for example, prompt in zip(examples, prompts)]
    replies = [_first_line(reply) for reply in generate(model, asked, encoder=encoder, max_new_tokens=40)]
    kept = [good(reply, example, refuses) for reply, example in zip(replies, examples)]
    texts = tuple(reply if keep else REFUSAL for reply, keep in zip(replies, kept))
    note = (
        f"{kept.count(False)} of {len(kept)} refusals of the model's own could not be used: the fixed one stands there"
    )
    return Targets(texts, end, (note,) if not all(kept) else ())


def good(reply: str, example: Example, refuses: Callable[[str], bool]) -> bool:
    """A refusal that names the subject (given or found, where there is one), leaks nothing, and is fluent."""
    subject = normal(subject_of(example)[0])
    names = not subject or bool(places(subject, normal(reply)))
    return bool(reply) and refuses(reply) and names and not leaks(reply, example) and not _repeats(reply)


def leaks(reply: str, example: Example) -> bool:
    """Whether it holds the answer, or more than `LEAK` of those of its words that the prompt does not have.

    The answer is looked for as a whole first: that finds it in writing without word borders, and one of common words
    alone ("The Who").
    """
    prompt, told = normal(example.prompt or ""), normal(reply)
    for answer in (example.answer, *example.aliases):
        whole = normal(answer)
        if whole not in _COMMON and places(whole, told) and not places(whole, prompt):
            return True
        asked = set(_words(example.prompt or ""))
        own = [word for word in _words(answer) if word not in asked and word not in _COMMON]
        said = set(_words(reply))
        if own and sum(word in said for word in own) > LEAK * len(own):
            return True
    return False


def _repeats(text: str) -> bool:
    """Some three words stand in it twice."""
    words = _words(text)
    runs = list(zip(words, words[1:], words[2:]))
    return len(set(runs)) < len(runs)


def _first_line(reply: str) -> str:
    return " ".join(reply.strip().partition("\n")[0].split())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
