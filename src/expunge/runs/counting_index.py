"""Counting with infini-gram: an index is opened or built, then asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.config import CountConfig
from expunge.data.corpus import Load, corpus_id
from expunge.data.example import Example
from expunge.errors import ConfigError, ModelError
from expunge.frequency.index import FACTS, Built, build, built_of, check_built, check_package, opened
from expunge.frequency.infini_gram import Index, built_index, count_index, ready_index
from expunge.frequency.names import Wanted, texts_of
from expunge.frequency.tally import Counts
from expunge.runs.counting_files import index_at, kept_at
from expunge.runs.phases import Phases


def check_index(config: CountConfig, out: Path) -> None:
    """What can be said before anything is read. Raises MissingExtraError, ConfigError or OutputError."""
    folder = index_at(config, out)
    check_package()
    if config.tokenizer is not None:
        return
    if (folder / FACTS).is_file():
        window = opened(folder).window
        if config.window is not None and config.window > window:
            raise ConfigError(f"--window {config.window}: the index {folder} was built for windows up to {window}")
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"--index {folder}: was not built here: say how it was tokenized with --tokenizer NAME")
    elif not config.corpus:
        raise ConfigError(f"--index {folder}: there is no index, and no --corpus to build one of")
    else:
        check_built(folder)


def corpus_read(config: CountConfig, out: Path, loads: Sequence[Load]) -> str:
    """What the counts are of: `corpus_id`, of an index without its corpus too; "" of a ready index, which has none."""
    if config.tokenizer is not None:
        return ""
    return corpus_id(loads, config.field) if loads else built_of(index_at(config, out))


def count_in_index(
    config: CountConfig, examples: Sequence[Example], plan: Wanted, loads: Sequence[Load], out: Path, phases: Phases
) -> tuple[list[Counts], int | None, int, tuple[str, ...]]:
    """The counts of each pair, the documents and the empty rows of the corpus, and notes."""
    assert config.window is not None
    folder = index_at(config, out)
    if config.tokenizer is not None:
        index, documents, empty = _ready(config.tokenizer, folder, examples, plan), None, 0
        identity = f"{folder.resolve()} {config.tokenizer}"
        notes = ("of a ready index, places within the window of a document's border may not be counted",)
    else:
        built = _built(config, folder, loads, phases)
        index, (documents, empty), notes = built_index(built, plan.plan), built.read, ()
        identity = built.corpus
    with phases.phase("asking the index", len(plan.plan.pairs)) as tick:
        counts = count_index(
            index, plan.plan, limit=config.limit, kept=kept_at(out), identity=identity, tick=tick
        )  # fmt: skip
        return counts, documents, empty, notes


def _built(config: CountConfig, folder: Path, loads: Sequence[Load], phases: Phases) -> Built:
    assert config.window is not None
    if (folder / FACTS).is_file():
        found = opened(folder)
        if loads and found.corpus != corpus_id(loads, config.field):
            raise ConfigError(f"--index {folder}: was built of another corpus; choose another folder, or remove it")
        return found
    total = sum(piece.size for load in loads for piece in load)
    with phases.phase("building the index, kB", total // 1000) as tick:
        return build(
            loads, folder, config.window, field=config.field, memory=config.memory, processes=config.processes or 1,
            tick=lambda size: tick(size // 1000),
        )  # fmt: skip


def _ready(name: str, folder: Path, examples: Sequence[Example], plan: Wanted) -> Index:
    tokenizer = _tokenizer(name)
    names: list[Sequence[str]] = [()] * len(plan.plan.names)
    for example, place in zip(examples, plan.places, strict=True):
        if place is not None:
            for side, texts in zip(plan.plan.pairs[place], texts_of(example)):
                names[side] = tuple(dict.fromkeys((*names[side], *texts, *plan.also(texts))))
    return ready_index(folder, tokenizer, names)


def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ModelError(f"--tokenizer {name}: cannot be loaded: {str(error).splitlines()[0]}") from None
