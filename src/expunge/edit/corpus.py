"""Corpora: the texts whose keys stand for all that a model knows. Files of any size, or what the model itself says.

    .txt, .md              passages, with empty lines between them
    .jsonl, .json, …       rows as `expunge count` reads them (`data/documents.py`), .json also as one list; also packed
    a folder, a pattern    all such files in it
    other                  a data file as `--forget` takes it

Without a file the model's own text stands in, drawn at temperature 1 by a seed: no data are needed, and it is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.corpus import files_of, kind_of, loads_of
from expunge.data.documents import documents
from expunge.data.example import Example
from expunge.data.sets import load_examples
from expunge.errors import DataError
from expunge.models.generating import generate
from expunge.models.model import Model

READING = 2  # of files, as below: another number when texts are read otherwise, so that older results are not found
OWN_TOKENS = 128  # of a text that the model makes itself
_OPENINGS = ("The", "In", "A", "When", "This", "He", "She", "It", "They", "We", "I", "You", "If", "One", "Most", "How")


@dataclass(frozen=True)
class Corpus:
    """Texts, and what tells them from other texts."""

    digest: str
    files: tuple[Path, ...] = ()  # none: the model's own texts, `own` tokens of them, by `seed`
    own: int = 0
    seed: int = 0

    def texts(self, model: Model) -> Iterator[str]:
        """One after the other, as a stream."""
        if not self.files:
            return _own(model, self.own, self.seed)
        return (text for path in self.files for text in _read(path))


def corpus_files(path: str) -> tuple[Path, ...]:
    """The files that a file, folder or pattern names. DataError where there is none."""
    place = Path(path).expanduser()
    return (place,) if place.is_file() else tuple(files_of([path]))


def corpus_of(path: str | None, *, own: int = 0, seed: int = 0) -> Corpus:
    """The corpus in files, or of so many tokens of the model's own. DataError where there is no such file."""
    if path is None:
        return Corpus(f"own/{own}/{seed}", own=own, seed=seed)
    files = corpus_files(path)
    digests = [_digest(each) for each in files]
    if len(digests) == 1:
        return Corpus(f"{digests[0]}/{READING}", files)
    return Corpus(f"{sha256(' '.join(digests).encode()).hexdigest()}/{READING}", files)


def _digest(path: Path) -> str:
    """Of a file, with its suffix, which says how it is read."""
    summary = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                summary.update(block)
    except OSError as error:
        raise DataError(f"corpus {path}: {error.strerror or error}") from None
    return f"{summary.hexdigest()}{path.suffix}"


def _read(path: Path) -> Iterator[str]:
    """Raises DataError for a row that holds no text: what is left out here would be missed by nobody."""
    if kind_of(path) is None:
        yield from (f"{each.prompt or ''} {each.answer}".strip() for each in load_examples(path)[0])
        return
    pieces = (piece for load in loads_of([path], "passage") for piece in load)
    texts = (text for piece in pieces for text in documents(piece, between=" "))
    for number, text in enumerate(texts, 1):
        if text is None:
            raise DataError(
                f"{path}, row {number}: a text, or an object with `text` (or `prompt` and `answer`), is wanted"
            )
        yield text


def _own(model: Model, tokens: int, seed: int) -> Iterator[str]:
    """Drawn a batch at a time; the generator goes on from batch to batch."""
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    prompts = [encoder.encode_prompt(Example("", opening, "")) for opening in _OPENINGS]
    texts = -(-tokens // OWN_TOKENS)
    for start in range(0, texts, 64):
        asked = [prompts[i % len(prompts)] for i in range(start, min(start + 64, texts))]
        told = generate(
            model, asked, encoder=encoder, max_new_tokens=OWN_TOKENS, temperature=1.0, generator=generator,
            budget=64 * (OWN_TOKENS + 8),
        )  # fmt: skip
        for i, text in enumerate(told, start):
            gap = " " if text[:1].isalnum() else ""  # some tokenizers lose the blank of a continuation
            yield f"{_OPENINGS[i % len(prompts)]}{gap}{text}"
