"""Frequency: counting facts in a corpus, and unlearning that goes by how often they stood there."""

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, NonNegative, Positive
from expunge.config.models import ConventionConfig, LoadConfig, ScoringLoad
from expunge.config.reading import differing, parse_name

By = Literal["count", "margin", "paraphrase", "popularity"]  # what orders facts: counts, or a proxy for them
Proxy = Literal["margin", "paraphrase", "popularity"]
Order = Literal["rare-first", "frequent-first", "mixed"]


class StrengthConfig(Config):
    """How hard each example is unlearned: w = (1 + log(1 + count))^power, divided by its mean over the set."""

    by: By = "count"
    power: NonNegative = 1.0  # 0: all alike

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """BY:key=value, as on the command line."""
        if not isinstance(values, str):
            return values
        name, given = parse_name(values)
        return {**given, "by": name}


class LeaveConfig(Config):
    """When an example leaves the batch, and when it comes back."""

    every: PositiveInt = 10  # steps, after which all forget examples are looked at
    margin: NonNegative = 0.1  # nats a token above its never-known level, from which an example comes back


class CurriculumConfig(Config):
    """Buckets of frequency, each with epochs and a learning rate of its own. Lists go from rare to frequent."""

    order: Order = "rare-first"  # mixed: the steps of all buckets spread evenly over the run
    by: By = "count"
    edges: tuple[int | float, ...] | None = None  # each the least of the bucket above; None: tertiles
    epochs: tuple[PositiveInt, ...] = ()  # over each bucket; one: over every; (): as the training's
    rates: tuple[Positive, ...] = ()  # factors of the learning rate; one: for every; (): 1
    at_least: PositiveInt = 5  # examples of each bucket

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """ORDER:key=value, as on the command line, where lists are parted by slashes: epochs=2/3/5."""
        if isinstance(values, str):
            name, given = parse_name(values)
            values = {**given, "order": name}
        if not isinstance(values, dict):
            return values
        return {**values, **{k: _listed(values[k]) for k in ("edges", "epochs", "rates") if k in values}}

    @model_validator(mode="after")
    def _edges_rise(self) -> "CurriculumConfig":
        check_edges(self.edges, self.by)
        return self


def check_edges(edges: tuple[int | float, ...] | None, by: By) -> None:
    """Raises ValueError for edges of buckets that do not rise, or are no counts."""
    if edges is None:
        return
    told = ", ".join(f"{edge:g}" for edge in edges)
    if by == "count" and any(edge < 1 or edge != int(edge) for edge in edges):
        raise ValueError(f"`edges` are counts, whole numbers from 1; got {told}")
    if not edges or list(edges) != sorted(set(edges)):
        raise ValueError(f"`edges` are counts that rise, such as 10 and 100; got {told}")


def _listed(value: Any) -> Any:
    """
    >>> _listed("2/3/5"), _listed(4), _listed([0.5])
    (['2', '3', '5'], [4], [0.5])
    """
    if isinstance(value, str):
        return [part.strip() for part in value.split("/")]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


class CountConfig(Config):
    """What `expunge count` runs."""

    corpus: tuple[str, ...] = ()  # files, folders, patterns; of a ready index none is needed
    forget: str
    columns: dict[str, str] = Field(default={})  # a file's column → ours
    engine: Literal["stream", "infini-gram"] = "stream"
    window: PositiveInt | None = None  # words from the beginning of one name to that of the other; None: a document
    aliases: str | None = None  # a JSON file: {"a name": ["other names"]}
    field: str | None = None  # of a row, that holds its text; None: `text`, else question and answer
    documents: Literal["line", "passage", "file"] = "line"  # what a document of a plain text is
    machines: Literal["local", "ray"] = "local"
    processes: PositiveInt | None = None  # None: as many as there are processors
    index: str | None = None  # a folder: opened if there is an index in it, else built; None: beside the result
    tokenizer: str | None = None  # of a ready index, which was not built here
    limit: PositiveInt = 1_000_000  # places of a name up to which infini-gram is exact
    memory: PositiveInt = 2  # GiB, while an index is built
    proxy: Proxy | None = None  # in place of counting
    model: str | None = None  # that a proxy is read off
    load: ScoringLoad = LoadConfig()
    convention: ConventionConfig = ConventionConfig()

    @model_validator(mode="after")
    def _proxies(self) -> "CountConfig":
        of_proxies = ("proxy", "model", "load", "convention", "forget", "columns")
        counting = [name for name in differing(self) if name.partition(".")[0] not in of_proxies]
        if self.proxy is not None and counting:
            raise ValueError(f"a proxy counts nothing: leave `{counting[0]}` out, or `proxy`")
        idle = [name for name in ("model", "load", "convention") if any(n.startswith(name) for n in differing(self))]
        if self.proxy is None and idle:
            raise ValueError(f"`{idle[0]}` is of what a proxy is read off: add --proxy margin or --proxy paraphrase")
        if self.proxy in ("margin", "paraphrase") and self.model is None:
            raise ValueError(f"the proxy {self.proxy} is read off a model: give --model")
        if self.proxy == "popularity" and self.model is not None:
            raise ValueError("popularity is read off no model: leave --model out")
        return self

    @model_validator(mode="after")
    def _engines(self) -> "CountConfig":
        of_index = [name for name in ("index", "tokenizer") if getattr(self, name) is not None]
        if self.engine == "stream" and of_index:
            raise ValueError(f"`{of_index[0]}` belongs to the engine infini-gram: add --engine infini-gram")
        idle = [name for name in ("limit", "memory") if name in differing(self)]
        if self.engine == "stream" and idle:
            raise ValueError(
                f"`{idle[0]}` is of the engine infini-gram: stream counts every place, in constant memory. Leave it "
                "out, or add --engine infini-gram"
            )
        if self.engine == "infini-gram":
            if self.window is None:
                raise ValueError("infini-gram counts within a window of words: give --window (the paper's is 100)")
            if self.machines == "ray":
                raise ValueError("infini-gram counts in one process; --machines ray is for the engine stream")
            if self.tokenizer is not None and self.index is None:
                raise ValueError("`tokenizer` is of a ready index: say where it is with --index")
            building = [n for n in ("memory", "field", "documents", "corpus") if n in differing(self)]
            if self.tokenizer is not None and building:
                raise ValueError(
                    f"`{building[0]}` is for building an index, and one with a `tokenizer` is ready: leave it out"
                )
        if not self.corpus and self.proxy is None and not (self.engine == "infini-gram" and self.index is not None):
            raise ValueError(
                "nothing to count in: give --corpus, files, folders or patterns; where the corpus is closed, --proxy"
            )
        return self
