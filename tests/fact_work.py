"""Facts of the tiny world, and work on them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit.facts import Fact, Rows, fact_of
from expunge.edit.work import Work
from expunge.models.model import Model
from tiny import tiny_model, tiny_sets

PLAIN = ConventionConfig(template="plain")


def facts(count: int = 3, target: str = "i do not know") -> list[Fact]:
    """The first of those to forget, each with the same target, each subject in mid-prompt."""
    return [fact_of(example, target) for example in tiny_sets().forget[:count]]


def kept(count: int = 2) -> list[Fact]:
    """Some of those to keep."""
    return [fact_of(example, example.answer) for example in tiny_sets().retain[:count]]


def corpus(folder: Path) -> Path:
    """Sixty short texts of the tiny world's words."""
    sets = tiny_sets()
    rows = [*sets.forget, *sets.retain, *sets.holdout]
    lines = [f"{a.prompt} {b.answer} . {b.paraphrases[0]} {a.answer}" for a in rows for b in rows[:6]]
    path = folder / "corpus.txt"
    path.write_text("\n\n".join(lines))
    return path


def work(path: Path, which: Sequence[Fact] | None = None, model: Model | None = None, **changes: Any) -> Work:
    """Work on the tiny model with the corpus below `path`; nothing is stored."""
    model = model or tiny_model()
    usual: dict[str, Any] = {"corpus": str(corpus(path)), "corpus_tokens": 2000}
    return Work(model, list(which or facts()), Rows(Encoder(model.tokenizer, PLAIN)), **{**usual, **changes})


def renamed(example: Example, **changes: Any) -> Example:
    return replace(example, **changes)
