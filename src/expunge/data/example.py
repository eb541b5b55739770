"""What a set consists of: examples, and the four sets that a run knows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Turn(NamedTuple):
    """One message of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One fact, question or document.

    `prompt` is None for a document, whose whole text then stands in `answer`: every token of it is scored
    but the first. `turns` are the messages before the last question, the system message included.
    """

    id: str  # unique in its set; the row's own `id`, else "file.jsonl:12"
    prompt: str | None
    answer: str
    turns: tuple[Turn, ...] = ()
    paraphrases: tuple[str, ...] = ()  # other wordings of the prompt
    aliases: tuple[str, ...] = ()  # other answers that count as right when the model generates
    paraphrased_answer: str | None = None
    perturbed_answers: tuple[str, ...] = ()  # wrong ones
    alternate: str | None = None  # a second answer to prefer (a refusal, a plausible other answer)
    subject: str | None = None
    group: str | None = None  # person, document: what a bootstrap draws, and what ties a twin to its example
    count: int | None = None  # how often the fact stood in the training corpus
    popularity: float | None = None  # a proxy for `count` where there is none: higher is better known (any scale)
    margin_proxy: float | None = None  # proxies read off a model (`frequency/proxies.py`): higher is more frequent
    paraphrase_proxy: float | None = None
    weight: float = 1.0  # of its loss; the loop normalizes to mean 1 over the set
    source: str = ""  # "file.jsonl:12", for error messages
    passage: bool = False  # prompt and answer are one text cut in two: nothing is asked

    @property
    def asks(self) -> bool:
        """It is a question: neither a document nor a passage."""
        return self.prompt is not None and not self.passage


@dataclass(frozen=True, slots=True)
class Sets:
    """What must go, what must stay, the control that was never trained on, and never-seen twins of what must go."""

    forget: tuple[Example, ...] = ()
    retain: tuple[Example, ...] = ()
    holdout: tuple[Example, ...] = ()
    twins: tuple[Example, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def named(self) -> Iterator[tuple[str, tuple[Example, ...]]]:
        """The sets that are not empty, with their names."""
        for name in ("forget", "retain", "holdout", "twins"):
            if examples := getattr(self, name):
                yield name, examples
