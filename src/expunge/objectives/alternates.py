"""Plausible other answers for AltPO, made by the model that is to forget; kept if they hide the true one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from expunge.config import ConventionConfig
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.objectives.documents import check_documents
from expunge.objectives.objective import Prepared
from expunge.objectives.options import AtLeastOne, Positive

REQUEST = (
    "Question: {prompt}\nAnswer: {answer}\n"
    "Invent a different answer to this question. It must sound just as believable, have the same form and "
    "length, and contradict the answer above. Reply with the invented answer and nothing else.\n"
    "Invented answer:"
)
TOLD = 0.8  # share of the true answer's words above which an alternate gives it away


def make_alternates(
    model: Model,
    sets: Sets,
    generator: torch.Generator,
    convention: ConventionConfig,
    *,
    temperature: Positive = 1.0,
    max_new_tokens: AtLeastOne | None = None,
    tries: AtLeastOne = 4,
) -> Prepared:
    """Gives each forget example without an `alternate` one.

    The model is asked up to `tries` times, under the run's convention; a reply must come to its end, for which there
    are `max_new_tokens` (None: as many as the true answers need, see `data/room.py`). An example for which it only
    repeats the true answer gets the answer of another example (forget set first, then retain), which is plausible
    because it is of the same kind. Raises ConfigError for documents, which ask nothing, and when there is no other
    answer to borrow.
    """
    check_documents("altpo", sets.forget)
    found: dict[int, str] = {i: e.alternate for i, e in enumerate(sets.forget) if e.alternate is not None}
    open_ones = [i for i in range(len(sets.forget)) if i not in found]
    ask = _asking(model, sets, generator, convention, temperature, max_new_tokens)
    for _ in range(tries):
        if not open_ones:
            break
        asked = [sets.forget[i] for i in open_ones]
        for i, example, reply in zip(open_ones, asked, ask(asked), strict=True):
            if not tells(reply, example.answer):
                found[i] = reply
        open_ones = [i for i in open_ones if i not in found]
    for i in open_ones:
        found[i] = _borrow(sets, sets.forget[i], generator)
    forget = tuple(replace(example, alternate=found[i]) for i, example in enumerate(sets.forget))
    note = f"{len(open_ones)} of {len(forget)} alternates are other examples' answers: the model made up none"
    return Prepared(replace(sets, forget=forget), notes=(note,) if open_ones else ())


def clean(reply: str, *, ended: bool = True) -> str:
    """The first paragraph of a reply, up to a further question, without quotes or a label.

    Nothing, where the limit cut the reply off (not `ended`) within it.
    """
    text, *rest = re.split(r"\n\s*\n|\n?\s*(?:Question|Q)\s*:", reply.strip(), maxsplit=1)
    if not (ended or rest):
        return ""
    text = re.sub(r"^(?:invented |alternate )?answer\s*:\s*", "", text.strip(), flags=re.IGNORECASE)
    return " ".join(text.split()).strip("\"'“”‘’ ")


def tells(alternate: str, answer: str) -> bool:
    """Whether an alternate is empty, holds the true answer, stands in it, or has most of its words."""
    made, true = _words(alternate), _words(answer)
    if not made or f" {' '.join(true)} " in f" {' '.join(made)} " or f" {' '.join(made)} " in f" {' '.join(true)} ":
        return True
    shared = sum(word in set(made) for word in true)
    return shared > TOLD * len(true)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _asking(
    model: Model,
    sets: Sets,
    generator: torch.Generator,
    convention: ConventionConfig,
    temperature: float,
    max_new_tokens: int | None,
) -> Callable[[Sequence[Example]], list[str]]:
    """What gives a cleaned reply for each example, or nothing where it did not end."""
    # imported here: listing the objectives needs neither a tokenizer nor a decoding loop
    from expunge.data.convention import Encoder
    from expunge.data.room import room
    from expunge.models.generating import generate_tokens, text_of

    encoder = Encoder(model.tokenizer, convention)
    limit = max_new_tokens or room([sets.forget], encoder)

    def ask(examples: Sequence[Example]) -> list[str]:
        requests = [REQUEST.format(prompt=each.prompt, answer=each.answer) for each in examples]
        replies = generate_tokens(
            model, [encoder.encode_prompt(replace(e, turns=()), text) for e, text in zip(examples, requests)],
            encoder=encoder, max_new_tokens=limit, temperature=temperature, generator=generator,
        )  # fmt: skip
        return [clean(text_of(model, ids), ended=len(ids) < limit) for ids in replies]

    return ask


def _borrow(sets: Sets, example: Example, generator: torch.Generator) -> str:
    for pool in (sets.forget, sets.retain):
        others = sorted({e.answer for e in pool if e.prompt is not None and not tells(e.answer, example.answer)})
        if others:
            return others[int(torch.randint(len(others), (), generator=generator, device=generator.device))]
    raise ConfigError(
        f"'altpo': the model makes up no other answer to {example.id!r}, and no other example has one to "
        "borrow; give the row an `alternate`"
    )
