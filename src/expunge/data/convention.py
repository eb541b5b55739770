"""The convention: how an example becomes tokens and labels. The only tokenization of examples.

- The whole text (dressed prompt, answer, end) is tokenized at once. An answer's tokens are found by their
  character offsets: a token that straddles the boundary counts as answer.
- BOS stands exactly once: a chat template writes its own; with any other template the tokens that this
  tokenizer puts in front of a text are put there, unless the text begins with them. What a tokenizer puts
  behind a text is left out: only `end` ends an answer.
- `end` is yes for chat and custom templates and for documents, no for "plain". The end token is the chat
  template's end of turn, else the tokenizer's eos; it is the last of the answer's tokens. A tokenizer
  without eos has no end, and `end=True` is then an error.
- A document (an example without prompt) is its whole text. Every token is scored but the first (BOS).
- There is no padding and no attention mask: forests of tokens are packed. So a padding token that equals the
  end token can hide nothing.
- `ends` are the tokens at which a generated answer is over: eos, the end token above, and that of the tokenizer's
  own chat template, under whatever template it is asked.
- Nothing is ever cut off: what exceeds `max_length`, the tokenizer's limit or the network's learned positions is an
  error (`data/lengths.py` finds all at once).

`compat="openunlearning"` does as OpenUnlearning (d3d7cf9) does, in order to compare numbers with it:
- an answer is closed by all that the template writes after it, and by one more end token unless that is
  the last already (SmolLM2: end, newline, end); a document by nothing;
- all of these are scored, and "without the end" (extraction strength …) leaves out the last token only;
- a generated answer is over at eos only;
- the padding token, which is the end token unless the tokenizer has one of its own, is hidden from
  attention wherever it stands: its mask is `ids != padding`. Positions stay when scoring, and do not count
  hidden tokens when generating.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from expunge.config import ConventionConfig
from expunge.data.example import Example, Turn
from expunge.data.templates import ending_tokens, template_of
from expunge.errors import ConfigError, DataError, ModelError

Convention = ConventionConfig

_PROBE = "x"  # stands for an answer that is not known yet


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example's tokens: `ids[:start]` is the prompt (one token at least), `ids[start:]` what is scored."""

    ids: tuple[int, ...]
    start: int
    example: str  # its id
    tail: int = 0  # how many of the last tokens are left out "without the end": they close the answer
    hidden: int | None = None  # a token that attention does not see, wherever it stands


class _Text(NamedTuple):
    """The text of one example before tokenization; `start` and `stop` are the answer's characters."""

    text: str
    start: int
    stop: int
    document: bool
    example: Example


class Encoder:
    """Turns examples into tokens under one convention.

    Keeps the dressed prompts: rendering a chat template costs more than its tokens.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, convention: Convention | None = None, places: int | None = None
    ) -> None:
        """`places` are the learned positions of the network that reads the tokens (`Layout.places`).

        Raises ModelError for a tokenizer without offsets, ConfigError for an unusable template.
        """
        if not tokenizer.is_fast:
            raise ModelError(
                f"{type(tokenizer).__name__} is a slow tokenizer: it cannot say which characters a token "
                "covers. Load the model with a fast one (a tokenizer.json in its folder)"
            )
        self.tokenizer = tokenizer
        self.convention = convention or Convention()
        eos: Any = tokenizer.eos_token_id
        self._eos: tuple[int, ...] = () if eos is None else (eos,)
        self.limit, self._limit_name = self._shortest(places)
        self._as_theirs = self.convention.compat == "openunlearning"
        if self._as_theirs and self.convention.end is not None:
            raise ConfigError("compat='openunlearning' says itself how answers end: leave `end` out")
        padding: Any = eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.hidden: int | None = padding if self._as_theirs else None  # a token that attention does not see
        self._template = template_of(
            tokenizer, self.convention.template, self.convention.system_prompt, whole=self._as_theirs
        )
        self.ends = frozenset(self._eos) | self._turn_ends()  # tokens at which a generated answer is over
        self._front = self._front_tokens()
        self._before: dict[tuple[tuple[Turn, ...], str], str] = {}
        closes = self._template.kind == "chat" and self._template.after
        if self.convention.end and not self._eos and not closes:
            raise ConfigError("end: this tokenizer has no end-of-sequence token; leave `end` out")

    @property
    def chats(self) -> bool:
        """Whether prompts are messages of a conversation (and not text that is gone on with)."""
        return self._template.kind == "chat"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides which tokens an example becomes, which are seen, and what tokens read as."""
        own: Any = self.tokenizer
        content = json.loads(own.backend_tokenizer.to_str())
        content.update(padding=None, truncation=None)  # what the last call asked for
        special = (
            own.eos_token_id, own.bos_token_id, own.chat_template, own.model_max_length, self.hidden,
            own.clean_up_tokenization_spaces,
        )  # fmt: skip
        parts = [content, *map(str, special), self.convention.model_dump()]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def encode(self, example: Example, *, prompt: str | None = None, answer: str | None = None) -> Encoded:
        """Prompt and answer as one sequence; `prompt` and `answer` replace the example's own.

        Raises DataError when it is longer than the limit or has nothing to score.
        """
        encoded = self.measure([(example, prompt, answer)])[0]
        if problem := self.problem(encoded):
            raise DataError(f"{example.source or example.id}: {problem}")
        return encoded

    def encode_all(self, examples: Iterable[Example]) -> list[Encoded]:
        """Many examples with their own prompts and answers, tokenized in one call. Raises as `encode`."""
        return self.encode_many((example, None, None) for example in examples)

    def encode_many(self, wanted: Iterable[tuple[Example, str | None, str | None]]) -> list[Encoded]:
        """Tokens of (example, prompt or None, answer or None), tokenized in one call. Raises as `encode`."""
        wanted = list(wanted)
        encoded = self.measure(wanted)
        wrong = [(e, text) for (e, *_), result in zip(wanted, encoded, strict=True) if (text := self.problem(result))]
        if wrong:
            raise DataError("\n".join(f"{example.source or example.id}: {text}" for example, text in wrong[:50]))
        return encoded

    def encode_prompt(self, example: Example, prompt: str | None = None) -> list[int]:
        """What a model is given when it must generate the answer: the prompt's tokens in `encode`.

        White space that the tokenizer would join to the answer's first word is left to the model, so that it
        stands where it stood in training; strip what is generated. A document gives its first token.
        """
        words = self._text(example, prompt, _PROBE if self._is_dressed(example, prompt) else None)
        ids, offsets = self._tokens([words.text])[0]
        if words.document:
            whole = self._fronted(ids, document=True)
            return list(whole[: self._document_start(whole)])
        kept = next((i for i, (_, stop) in enumerate(offsets) if stop > words.start), len(ids))
        before = words.text[: words.start]
        if kept < len(ids) and before[offsets[kept][0] :].strip():
            ids = self._tokens([before])[0][0]  # the probe has joined the prompt's last word
        else:
            ids = ids[:kept]
        return list(self._fronted(ids, document=False))

    def mentions(self, example: Example, words: str) -> list[tuple[int, ...]]:
        """Where a prompt has these words: for each mention the places of its tokens in `encode(example).ids`.

        A token that only touches a mention counts; one that the answer has a share in does not.
        """
        text = self._text(example, None, None)
        prompt = (example.prompt or "").strip()
        first = text.text.rfind(prompt, 0, text.start)
        found, at = [], prompt.find(words) if words and first >= 0 else -1
        while at >= 0:
            found.append((first + at, first + at + len(words)))
            at = prompt.find(words, at + len(words))
        ids, offsets = self._tokens([text.text])[0]
        front = len(self._fronted(ids, text.document)) - len(ids)
        places = [
            tuple(i + front for i, (begin, end) in enumerate(offsets) if begin < stop and start < end <= text.start)
            for start, stop in found
        ]
        return [each for each in places if each]

    def answer_text(self, example: Example) -> str:
        """The text of what is scored of an example, special tokens left out."""
        if not self._as_theirs:
            return example.answer
        encoded = self.encode(example)
        return str(self.tokenizer.decode(list(encoded.ids[encoded.start :]), skip_special_tokens=True))

    def measure(self, wanted: Iterable[tuple[Example, str | None, str | None]]) -> list[Encoded]:
        """Tokens of (example, prompt or None, answer or None), whatever their length."""
        texts = [self._text(*each) for each in wanted]
        tokens = self._tokens([text.text for text in texts])
        return [self._encoded(text, *pair) for text, pair in zip(texts, tokens, strict=True)]

    def surely_fits(self, example: Example, prompt: str | None = None, answer: str | None = None) -> bool:
        """A cheap yes before tokenizing: ASCII text has no more tokens than characters, and one blank in front."""
        text = self._text(example, prompt, answer).text
        return text.isascii() and len(text) + len(self._front) + len(self._eos) + 1 <= self.limit

    def problem(self, encoded: Encoded) -> str | None:
        """Why these tokens cannot be used, or None."""
        total = len(encoded.ids)
        if total - encoded.tail <= encoded.start:
            return "the answer has no token that could be scored"
        if total <= self.limit:
            return None
        if encoded.start >= self.limit:
            return f"the prompt alone has {encoded.start:,} tokens; {self._limit_name} is {self.limit:,}"
        lost = total - self.limit
        answer = total - encoded.start
        return (
            f"prompt {encoded.start:,} + answer {answer:,} tokens exceed {self._limit_name} {self.limit:,}: "
            f"the last {lost:,} of the answer would be cut off"
        )

    def _shortest(self, places: int | None) -> tuple[int, str]:
        """The limit, and whose it is; of equal ones the one that the user can change."""
        limits = [
            (self.convention.max_length, "max_length"),
            (self.tokenizer.model_max_length, "the tokenizer's model_max_length"),
        ]
        if places is not None:
            limits.append((places, "the model's number of learned positions"))
        return min(limits, key=lambda limit: limit[0])

    def _is_dressed(self, example: Example, prompt: str | None) -> bool:
        return prompt is not None or example.prompt is not None

    def _text(self, example: Example, prompt: str | None, answer: str | None) -> _Text:
        answer = example.answer if answer is None else answer
        prompt = example.prompt if prompt is None else prompt
        if prompt is None:
            return _Text(answer, 0, len(answer), True, example)
        key = (example.turns, prompt)
        if key not in self._before:
            self._before[key] = self._template.before(*key)
        before = self._before[key]
        whole = before + self._template.joiner(before, answer) + answer
        # A custom template's own ending belongs to it; a chat template's is what `end` is about.
        closed = self._template.kind == "custom" or self._ends(document=False)
        return _Text(whole + self._template.after * closed, len(before), len(whole), False, example)

    def _encoded(self, text: _Text, ids: list[int], offsets: list[tuple[int, int]]) -> Encoded:
        whole = self._fronted(ids, text.document)
        if text.document:
            start, tail = self._document_start(whole), 0
        else:
            start = next((i for i, (_, stop) in enumerate(offsets) if stop > text.start), len(ids))
            tail = sum(begin >= text.stop for begin, _ in offsets[start:])
            start += len(whole) - len(ids)
        by_text = self._template.kind == "chat" and self._template.after and not text.document and not self._as_theirs
        if self._ends(text.document) and not by_text and self._eos and whole[-1:] != self._eos:
            whole, tail = whole + self._eos, tail + 1
        return Encoded(whole, max(start, 1), text.example.id, 1 if self._as_theirs else tail, self.hidden)

    def _ends(self, document: bool) -> bool:
        if self._as_theirs:
            return not document
        if self.convention.end is not None:
            return self.convention.end
        return document or self._template.kind != "plain"

    def _tokens(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        if not texts:
            return []
        result = self.tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False,
            return_token_type_ids=False, padding=False, truncation=False, verbose=False,
        )  # fmt: skip
        return list(zip(result["input_ids"], result["offset_mapping"], strict=True))  # type: ignore[arg-type]

    def _turn_ends(self) -> frozenset[int]:
        """What ends an answer beside eos."""
        if self._as_theirs:
            return frozenset()
        known: Any = self.tokenizer
        return frozenset(map(known.convert_tokens_to_ids, ending_tokens(self.tokenizer, self._template.after)))

    def _front_tokens(self) -> tuple[int, ...]:
        """What this tokenizer puts in front of a text (BOS, or nothing)."""
        dressed = self.tokenizer(_PROBE)["input_ids"]
        bare = self.tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        places = range(len(dressed) - len(bare) + 1)  # type: ignore[arg-type]
        place = next((i for i in places if dressed[i : i + len(bare)] == bare), 0)  # type: ignore[index,arg-type]
        return tuple(dressed[:place])  # type: ignore[index]

    def _fronted(self, ids: list[int], document: bool) -> tuple[int, ...]:
        front = () if self._template.kind == "chat" and not document else self._front
        return tuple(ids) if tuple(ids[: len(front)]) == front else (*front, *ids)

    def _document_start(self, whole: tuple[int, ...]) -> int:
        """BOS is the prompt of a document; without one its first token is."""
        front = len(self._front)
        return front if front and whole[:front] == self._front else 1
