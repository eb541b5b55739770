"""The observation store: a second look at the same model on the same set costs no forward pass.

    FOLDER/WEIGHTS/KEY.arrow          scores, see `columns.py`; WEIGHTS is the digest of the model's weights, KEY the
                                      hash of all that they depend on (`identity.py`)
    FOLDER/WEIGHTS/KEY-texts.arrow    what was generated, only where texts may be kept
    FOLDER/metrics/HASH.json          metrics with their evidence, numbers only: those of generations, too, where the
                                      generations themselves may not be kept

What a file lacks is computed and put beside what it has; a column once kept stays. Files are written whole, so two
processes do no harm: the last one wins. A file that cannot be read is told of and made again. The folder may be
deleted at any time, and is kept below `expunge.store.LIMIT` by deleting what was not used for longest.

With one and the same question (set, settings, metrics) the values read are those that would be computed, to the bit.
What is added to a file later was computed in another packing of the batch, and agrees with an evaluation from nothing
as far as packings do: 1e-5 relative in float32, 2e-2 in bfloat16 (design §6.6).
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from expunge.config import EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.room import room
from expunge.evaluate import MetricEntry
from expunge.evaluate.columns import Columns, columns_of, fields_of, read_columns, write_columns
from expunge.evaluate.identity import observation_key, untouched
from expunge.evaluate.metric import Metric
from expunge.evaluate.observations import Observed, Tick, observe
from expunge.models.model import Model
from expunge.store import Store, hash_of, trim

COLUMN = {  # where a metric's need is kept; one that stands neither here nor in `TEXT` is met anew each time
    "answer_logprobs": "right.log_probs",
    "hits": "right.hits",
    "vocab_means": "right.moments",
    "vocab_stds": "right.moments",
    "paraphrased_logprobs": "paraphrased.log_probs",
    "perturbed_logprobs": "perturbed.log_probs",
    "gradient_norms": "gradient_norms",
}
TEXT = {"generations": "generations", "continuations": "continuations", "continued": "continuations"}  # need → kind
TEXTS = {"generations": ("generations",), "continuations": ("continuations", "continued")}  # kind → fields


@dataclass(frozen=True)
class Kept:
    """How the observations of one model are kept: where, and whether texts may stand on disk.

    Without a folder, and without `weights` (their digest), nothing is. Generations that may not stand on disk are
    remembered in `memory`, as long as this object and those made from it by `of`.
    """

    folder: Path | None = None
    weights: str = ""
    texts: bool = False
    say: Callable[[str], object] = lambda _: None
    memory: dict[str, dict[str, list[str]]] = field(default_factory=dict, repr=False)

    def of(self, weights: str) -> "Kept":
        """The same for other weights; "" where no digest says what the model is."""
        return replace(self, weights=weights)


@dataclass(frozen=True)
class Question:
    """One set asked under one convention."""

    model: Model
    examples: Sequence[Example]
    encoder: Encoder
    max_new_tokens: int | None = None  # None: as these examples need
    prefix_tokens: int = 50
    continued_tokens: int = 128
    budget: int = 4096
    bf16: bool = False

    @classmethod
    def of(cls, model: Model, examples: Sequence[Example], encoder: Encoder, config: EvaluateConfig) -> "Question":
        return cls(
            model, examples, encoder, config.max_new_tokens, config.prefix_tokens, config.continued_tokens,
            config.budget, config.precision == "bfloat16",
        )  # fmt: skip

    def length(self, kind: str) -> dict[str, int]:
        """What a kind of generated text depends on besides all else."""
        if kind == "generations":
            return {"max_new_tokens": self.max_new_tokens or room([self.examples], self.encoder)}
        return {"prefix_tokens": self.prefix_tokens, "continued_tokens": self.continued_tokens}

    def ask(self, needs: Collection[str], tick: Tick) -> Observed:
        return observe(
            self.model, self.examples, self.encoder, needs, max_new_tokens=self.max_new_tokens,
            prefix_tokens=self.prefix_tokens, continued_tokens=self.continued_tokens, budget=self.budget,
            bf16=self.bf16, tick=tick,
        )  # fmt: skip


class Shelf:
    """What is kept of one question about one model."""

    def __init__(self, kept: Kept, question: Question) -> None:
        self._kept, self._question = kept, question
        self._numbers = Store(kept.folder, say=kept.say)
        self._on = bool(kept.weights) and untouched(question.model)
        self._key: Mapping[str, Any] = {}
        if self._on:
            self._key = observation_key(
                question.model, kept.weights, question.encoder, question.examples,
                budget=question.budget, bf16=question.bf16,
            )  # fmt: skip

    def observe(self, needs: Collection[str], tick: Tick = lambda _: None) -> Observed:
        """What is needed, from the store where it is there; the rest is measured now and kept."""
        if not self._on:
            return self._question.ask(needs, tick)
        file = self._file(hash_of(self._key))
        columns = self._read(file)
        texts = {kind: self._texts(kind) for kind in {TEXT[need] for need in needs if need in TEXT}}
        lacking = {need for need in needs if need in COLUMN and COLUMN[need] not in columns}
        wanted = {kind for kind, found in texts.items() if found is None} | set(needs) - {*COLUMN, *TEXT} | lacking
        seen = self._question.ask(wanted, tick)
        if new := {name: column for name, column in columns_of(seen).items() if name not in columns}:
            columns = {**columns, **new}
            self._write(file, columns)
        said: dict[str, list[str]] = {}
        for kind, found in texts.items():
            said |= found or self._keep_texts(kind, {name: getattr(seen, name) for name in TEXTS[kind]})
        return replace(seen, **said, **fields_of(columns))

    def metric(self, entry: MetricEntry, asked: Mapping[str, Any]) -> Metric | None:
        """A metric that was computed before. `asked` is what it depends on besides the observations."""
        found: Any = self._numbers.get("metrics", self._metric_key(entry, asked)) if self._keeps(entry) else None
        return None if found is None else Metric(**{key: _tuples(value) for key, value in found.items()})

    def keep_metric(self, entry: MetricEntry, asked: Mapping[str, Any], metric: Metric) -> None:
        if self._keeps(entry):
            values = {each.name: getattr(metric, each.name) for each in fields(Metric)}
            self._numbers.put("metrics", self._metric_key(entry, asked), values)

    def _keeps(self, entry: MetricEntry) -> bool:
        """Where texts may be kept they are wanted as well, and metrics of them come from them."""
        return self._on and not (self._kept.texts and any(need in TEXT for need in entry.needs))

    def _metric_key(self, entry: MetricEntry, asked: Mapping[str, Any]) -> dict[str, Any]:
        rows = [{**asdict(example), "source": ""} for example in self._question.examples]
        seen = [hash_of(self._key), *sorted(self._text_key(TEXT[need]) for need in entry.needs if need in TEXT)]
        return {"seen": seen, "metric": entry.name, "rows": rows, **asked}

    def _text_key(self, kind: str) -> str:
        return hash_of({**self._key, "text": kind, **self._question.length(kind)})

    def _texts(self, kind: str) -> dict[str, list[str]] | None:
        key = self._text_key(kind)
        if key in self._kept.memory:
            return self._kept.memory[key]
        columns = self._read(self._file(f"{key}-texts")) if self._kept.texts else {}
        return {name: columns[name].to_pylist() for name in TEXTS[kind]} if columns else None

    def _keep_texts(self, kind: str, texts: dict[str, list[str]]) -> dict[str, list[str]]:
        key = self._text_key(kind)
        self._kept.memory[key] = texts
        if self._kept.texts:
            columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
            self._write(self._file(f"{key}-texts"), columns)
        return texts

    def _file(self, name: str) -> Path | None:
        return None if self._kept.folder is None else self._kept.folder / self._kept.weights / f"{name}.arrow"

    def _read(self, path: Path | None) -> Columns:
        if path is None or not path.is_file():
            return {}
        try:
            columns = read_columns(path, len(self._question.examples))
        except (OSError, ValueError, KeyError) as error:
            self._kept.say(f"{path} is broken ({type(error).__name__}) and is left out: it will be made again")
            return {}
        with suppress(OSError):
            os.utime(path)  # used just now: see `trim`
        return columns

    def _write(self, path: Path | None, columns: Columns) -> None:
        """A folder that cannot be written to costs time later, not the run."""
        if path is None or self._kept.folder is None:
            return
        try:
            write_columns(path, columns)
            trim(self._kept.folder)
        except OSError as error:
            self._kept.say(f"cannot keep observations in {path.parent}: {error.strerror or type(error).__name__}")


def _tuples(value: Any) -> Any:
    """As `Metric` has them; JSON knows lists only."""
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
