"""Corpora: the texts whose keys stand for all that a model knows. A file of any size, or what the model itself says.

    .txt             passages, with empty lines between them
    .jsonl           a line each: a text, or an object with `text` (else `prompt` and `answer`)
    .json            a list of the same
    other            a data file as `--forget` takes it

Without a file the model's own text stands in, drawn at temperature 1 by a seed: no data are needed, and it is told.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.sets import load_examples
from expunge.errors import DataError
from expunge.models.generating import generate
from expunge.models.model import Model

READING = 1  # of files, as below: another number when texts are read otherwise, so that older results are not found
OWN_TOKENS = 128  # of a text that the model makes itself
_OPENINGS = ("The", "In", "A", "When", "This", "He", "She", "It", "They", "We", "I", "You", "If", "One", "Most", "How")


@dataclass(frozen=True)
class Corpus:
    """Texts, and what tells them from other texts."""

    digest: str
    path: Path | None = None  # None: the model's own texts, `own` tokens of them, by `seed`
    own: int = 0
    seed: int = 0

    def texts(self, model: Model) -> Iterator[str]:
        """One after the other, as a stream."""
        return _own(model, self.own, self.seed) if self.path is None else _read(self.path)


def corpus_of(path: str | None, *, own: int = 0, seed: int = 0) -> Corpus:
    """The corpus in a file, or of so many tokens of the model's own. DataError where there is no such file."""
    if path is None:
        return Corpus(f"own/{own}/{seed}", own=own, seed=seed)
    place = Path(path).expanduser()
    summary = sha256()
    try:
        with place.open("rb") as file:
            while block := file.read(2**20):
                summary.update(block)
    except OSError as error:
        raise DataError(f"corpus {path}: {error.strerror or error}") from None
    return Corpus(f"{summary.hexdigest()}{place.suffix}/{READING}", place)  # the suffix says how it is read


def _read(path: Path) -> Iterator[str]:
    if path.suffix == ".txt":
        yield from _passages(path)
    elif path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _text(_parsed(line, f"{path}:{number}"), f"{path}:{number}")
    elif path.suffix == ".json":
        found = _parsed(path.read_text(encoding="utf-8"), str(path))
        if not isinstance(found, list):
            raise DataError(f"{path}: a list of texts is wanted, found {type(found).__name__}")
        yield from (_text(each, f"{path}, entry {i}") for i, each in enumerate(found))
    else:
        yield from (f"{each.prompt or ''} {each.answer}".strip() for each in load_examples(path)[0])


def _passages(path: Path) -> Iterator[str]:
    lines: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                lines.append(line)
            elif lines:
                yield "".join(lines).strip()
                lines = []
    if lines:
        yield "".join(lines).strip()


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from None


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            return value["text"]
        parts = [value[name] for name in ("prompt", "answer") if isinstance(value.get(name), str)]
        if parts:
            return " ".join(parts)
    raise DataError(f"{where}: a text, or an object with `text` (or `prompt` and `answer`), is wanted")


def _own(model: Model, tokens: int, seed: int) -> Iterator[str]:
    """Drawn a batch at a time; the generator goes on from batch to batch."""
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    prompts = [encoder.encode_prompt(Example("", opening, "")) for opening in _OPENINGS]
    texts = -(-tokens // OWN_TOKENS)
    for start in range(0, texts, 64):
        asked = [prompts[i % len(prompts)] for i in range(start, min(start + 64, texts))]
        told = generate(
            model, asked, max_new_tokens=OWN_TOKENS, temperature=1.0, generator=generator,
            budget=64 * (OWN_TOKENS + 8),
        )  # fmt: skip
        for i, text in enumerate(told, start):
            gap = " " if text[:1].isalnum() else ""  # some tokenizers lose the blank of a continuation
            yield f"{_OPENINGS[i % len(prompts)]}{gap}{text}"
