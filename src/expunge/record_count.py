"""The part of a record that `count` fills: what was counted in what, and how the counts lie, without the counts."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Counting(BaseModel):
    """How often the facts of a set stand in a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["stream", "infini-gram", "proxy"]
    together: str  # what `count` counts, in words
    files: int
    bytes: int  # on the disk
    corpus: str = ""  # a digest: which files, of which size and time, read how; "": none, or a ready index
    wanted: str = ""  # a digest of the examples and of what was looked for
    documents: int | None = None  # None: a ready index does not say
    empty: int = 0  # rows without a document
    examples: int
    counted: int  # those that name a subject
    found: int  # those whose count is not 0
    estimates: int = 0  # counts drawn from a part of the places
    quantiles: dict[str, float] = {}  # "0", "1/4", "1/2", "3/4", "1" → count, or a proxy's value
    rho: float | None = None  # Spearman's, of a proxy with the counts that the examples bring
    rho_interval: tuple[float, float] | None = None  # 95 %
    rho_examples: int = 0  # that have both
