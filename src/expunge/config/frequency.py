"""Counting facts in a corpus."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config


class CountConfig(Config):
    """What `expunge count` runs."""

    corpus: tuple[str, ...] = ()  # files, folders, patterns; of a ready index none is needed
    forget: str
    columns: dict[str, str] = Field(default={})  # a file's column → ours
    engine: Literal["stream", "infini-gram"] = "stream"
    window: PositiveInt | None = None  # words from the beginning of one name to that of the other; None: a document
    aliases: str | None = None  # a JSON file: {"a name": ["other names"]}
    field: str | None = None  # of a row, that holds its text; None: `text`, else question and answer
    documents: Literal["line", "file"] = "line"  # what a document of a plain text is
    machines: Literal["local", "ray"] = "local"
    processes: PositiveInt | None = None  # None: as many as there are processors
    index: str | None = None  # a folder: opened if there is an index in it, else built; None: beside the result
    tokenizer: str | None = None  # of a ready index, which was not built here
    limit: PositiveInt = 1_000_000  # places of a name up to which infini-gram is exact
    memory: PositiveInt = 2  # GiB, while an index is built

    @model_validator(mode="after")
    def _engines(self) -> "CountConfig":
        of_index = [name for name in ("index", "tokenizer") if getattr(self, name) is not None]
        if self.engine == "stream" and of_index:
            raise ValueError(f"`{of_index[0]}` belongs to the engine infini-gram: add --engine infini-gram")
        if self.engine == "infini-gram":
            if self.window is None:
                raise ValueError("infini-gram counts within a window of words: give --window (the paper's is 100)")
            if self.machines == "ray":
                raise ValueError("infini-gram counts in one process; --machines ray is for the engine stream")
            if self.tokenizer is not None and self.index is None:
                raise ValueError("`tokenizer` is of a ready index: say where it is with --index")
        if not self.corpus and not (self.engine == "infini-gram" and self.index is not None):
            raise ValueError("nothing to count in: give --corpus, files, folders or patterns")
        return self
