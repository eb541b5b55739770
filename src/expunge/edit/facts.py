"""Facts: what an editor is given. A prompt, the subject whose last token is looked up in it, and what is to be said.

The subject is the example's own where it stands in the prompt (as words of its own), else found among the proper-noun
spans, words that begin with a capital, "of" and the like between them. With paraphrases it is the longest one that
stands in all of them; without, the last one, which in a question is more often what is asked about than the longest
("Where in the United Kingdom is Bath?"). One at the start of a sentence, where a capital says nothing ("Question: …"),
counts only if there is no other. Without any span the prompt's last token is looked up. Which it was stands in `how`,
and the user is told. Where a subject stands more than once, its last mention counts: there the model has read most
about it. Deviation from the rule that was planned for editors: the longest span, wherever it stands.

A prompt's first token is the attention sink of many models, whatever it says, so nothing can be looked up there. A
subject that is that one token (no BOS before it) is looked up at the token behind it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from expunge.config import ConventionConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.edit.wording import places
from expunge.errors import ConfigError, DataError

How = Literal["given", "found", "last token"]
_INNER = ("of", "the", "and", "de", "da", "di", "la", "le", "del", "van", "von", "der", "den", "al", "bin", "ibn", "y")
_OPENING = frozenset(
    "a an and are as at by can could did do does for from give has have how i if in is it its list name of on or "
    "please say state tell the there this to was were what when where which who whom whose why will with would "
    "you".split()
)
_QUOTES = " \"'“”‘’«»„([*#-"


@dataclass(frozen=True)
class Fact:
    """One edit: after `example.prompt`, `example.answer` is to be said."""

    example: Example  # its answer is the target
    subject: str = ""  # "": none, the prompt's last token is looked up
    how: How = "given"
    end: bool | None = None  # whether the target ends with the end token; None: as the convention says
    bundle: str = ""  # facts of one bundle share a value; "": the fact's own


@dataclass(frozen=True)
class Row:
    """A fact in one context, as tokens: where its subject ends, and where its target begins (`encoded.start`)."""

    encoded: Encoded
    place: int


def fact_of(example: Example, target: str, *, end: bool | None = None) -> Fact:
    """The fact that this example's prompt is to be followed by `target`. ConfigError for a document."""
    if example.prompt is None:
        raise ConfigError(
            f"{example.source or example.id}: editors need a prompt, and a document has none: use an objective "
            "(`expunge ls objectives`), or give the rows `prompt` and `answer`"
        )
    subject, how = subject_of(example)
    return Fact(replace(example, answer=target), subject, how, end)


def subject_of(example: Example) -> tuple[str, How]:
    """The subject that is looked up, and where it comes from."""
    prompt, others = example.prompt or "", example.paraphrases
    if example.subject and places(example.subject, prompt):
        return example.subject, "given"
    runs = _runs(prompt)
    for doubtful in (False, True):
        ends = [[span for span in run if all(places(span, each) for each in others)] for at_start, run in runs
                if at_start == doubtful]  # fmt: skip
        longest = [max(spans, key=len) for spans in ends if spans]
        if longest:
            return (max(longest, key=len) if others else longest[-1]), "found"
    return "", "last token"


def proper_nouns(text: str) -> list[str]:
    """Runs of words with a capital, and their ends: "The Bank of England" gives it, "Bank of England" and "England".

    >>> proper_nouns("What is the capital of New Zealand?")
    ['New Zealand', 'Zealand']
    """
    return [span for _, run in _runs(text) for span in run]


def _runs(text: str) -> list[tuple[bool, list[str]]]:
    """Each run with its ends, and whether its first word (but "The" and the like) stands at the start of a sentence."""
    found = []
    word = r"[^\W\d_a-z][\w’'.-]*"
    for match in re.finditer(rf"{word}(?:\s+(?:(?:{'|'.join(_INNER)})\s+)*{word})*", text):
        starts = [
            each.start()
            for each in re.finditer(r"\S+", match.group())
            if each.group()[0].isupper() and each.group().lower() not in _OPENING
        ]
        if spans := [span for start in starts if (span := _trimmed(match.group()[start:]))]:
            found.append((_opens(text[: match.start() + starts[0]]), spans))
    return found


def _opens(before: str) -> bool:
    """Whether a sentence (or a line) begins behind this."""
    return not before.strip(_QUOTES) or re.search(rf"[.?!:\n][\s{re.escape(_QUOTES)}]*$", before) is not None


def _trimmed(span: str) -> str:
    """Without a genitive or a mark at its end."""
    return re.sub(r"(?:['’]s?|[.,;:!?’'-])+$", "", span)


def told(facts: Sequence[Fact]) -> str:
    """A line that says how the subjects were come by; empty where all were given."""
    counts = Counter(fact.how for fact in facts)
    if set(counts) == {"given"}:
        return ""
    parts = {"given": "given", "found": "found in the prompt", "last token": "missing: the last token stands for it"}
    return "subjects: " + ", ".join(f"{counts[how]} {parts[how]}" for how in parts if counts[how])


def _last(mentions: Sequence[tuple[int, ...]], subject: str, prompt: str) -> tuple[int, ...]:
    """The last mention as words of its own; `mentions` are the tokens of all places where the letters stand."""
    everywhere = [match.start() for match in re.finditer(re.escape(subject), prompt)]
    own = set(places(subject, prompt))
    if len(everywhere) != len(mentions):  # the answer has a share in one
        return mentions[-1]
    return [mention for mention, at in zip(mentions, everywhere) if at in own or not own][-1]


class Rows:
    """Facts as tokens, under a convention."""

    def __init__(self, encoder: Encoder) -> None:
        if encoder.hidden is not None:
            raise ConfigError("editors follow no other project's convention: leave `compat` out")
        self._plain = encoder
        self._others: dict[bool, Encoder] = {}
        self._bare: Encoder | None = None

    def of(self, fact: Fact, contexts: Sequence[str] = ("",)) -> list[Row]:
        """A row for each context (a text that stands before the prompt)."""
        encoder, example = self._encoder(fact.end), fact.example
        prompts = [replace(example, prompt=f"{context}{example.prompt}") for context in contexts]
        rows: list[Row] = []
        for each, encoded in zip(prompts, encoder.measure((prompt, None, None) for prompt in prompts)):
            empty = not example.answer and len(encoded.ids) > encoded.start  # nothing but the end is to be said
            if not empty and (problem := encoder.problem(encoded)):
                raise DataError(f"{example.source or example.id}: {problem}")
            place = encoded.start - 1
            if fact.subject:
                mentions = encoder.mentions(each, fact.subject)
                if not mentions:
                    raise DataError(
                        f"{example.source or example.id}: the tokens of the subject are not apart from those of the "
                        "answer: put a blank or a mark between them"
                    )
                place = _last(mentions, fact.subject, each.prompt or "")[-1]
            rows.append(Row(encoded, place))
        sunk = rows[0].place == 0 and all(row.place + 1 < row.encoded.start for row in rows)
        return [replace(row, place=row.place + 1) for row in rows] if sunk else rows

    def essence(self, fact: Fact, row: Row) -> Row:
        """ "{subject} is a" up to where the subject is looked up, as plain text; without a subject the prompt."""
        if not fact.subject:
            return row
        convention = ConventionConfig(template="plain", end=False, max_length=self._plain.convention.max_length)
        encoder = self._bare = self._bare or Encoder(self._plain.tokenizer, convention)
        example = Example("", f"{fact.subject} is", "a")
        mentions = encoder.mentions(example, fact.subject)
        return Row(encoder.encode(example), max(1, mentions[0][-1])) if mentions else row

    def _encoder(self, end: bool | None) -> Encoder:
        if end is None:
            return self._plain
        if end not in self._others:
            convention = self._plain.convention.model_copy(update={"end": end})
            self._others[end] = Encoder(self._plain.tokenizer, convention)
        return self._others[end]
