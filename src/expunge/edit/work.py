"""Work: what every editor of facts has at hand. The model, the facts as tokens, statistics and values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from expunge.edit.contexts import contexts
from expunge.edit.corpus import Corpus, corpus_of
from expunge.edit.facts import Fact, Row, Rows
from expunge.edit.keys import Reader
from expunge.edit.statistics import Statistics, statistics_of, summed
from expunge.edit.value_store import ValueStore
from expunge.edit.values import Fitting, Value, Wanted, fit
from expunge.errors import ConfigError
from expunge.models.identity import computed_by
from expunge.models.model import Model
from expunge.models.rests import Place

Tick = Callable[..., object]


@dataclass
class Work:
    """One job of editing. `kept` are facts that are to stay as they are; their answers do not matter."""

    model: Model
    facts: Sequence[Fact]
    rows: Rows
    kept: Sequence[Fact] = ()
    protect: float = 1.0  # what a token of them weighs against a fact
    corpus: str | None = None
    corpus_tokens: int | None = None
    folder: Path | None = None  # where statistics and values are kept; None: nowhere
    seed: int = 0
    tick: Tick = lambda advance=1, remark="", total=None: None
    say: Callable[[str], object] = lambda text: None
    notes: list[str] = field(default_factory=list)
    as_factors: bool = False  # the change, for an adapter: also where whole matrices would take less room

    @cached_property
    def weights(self) -> str:
        """The digest of the model as it was at first; asked for before it is edited."""
        return computed_by(self.model)

    def bundles(self) -> dict[str, list[int]]:
        """Which facts share a value."""
        found: dict[str, list[int]] = {}
        for i, fact in enumerate(self.facts):
            found.setdefault(fact.bundle or f"{i}", []).append(i)
        return found

    def contexts(self, count: int, lengths: tuple[int, ...]) -> tuple[str, ...]:
        """Texts that stand before prompts, the empty one first."""
        return contexts(self.model, count, lengths, self.seed)

    def encoded(self, facts: Sequence[Fact], before: Sequence[str]) -> list[list[Row]]:
        """The rows of each fact, one a context."""
        return [self.rows.of(fact, before) for fact in facts]

    def reader(self, before: Sequence[str], which: Sequence[int]) -> Reader:
        """Of some facts."""
        return Reader(self.model, self.encoded([self.facts[i] for i in which], before))

    def kept_moments(self, layers: Sequence[int]) -> dict[int, Tensor]:
        """protect · Σ k kᵀ of each layer over all tokens of what is kept, prompts and answers, but each first one."""
        pieces = [tuple(self.rows.of(fact)[0].encoded.ids) for fact in self.kept]
        sums = summed(self.model, layers, pieces) if pieces else {}
        size = self.model.layout.d_ff
        return {
            layer: self.protect * sums[layer] if layer in sums else torch.zeros(size, size, dtype=torch.float64)
            for layer in layers
        }

    @property
    def tokens(self) -> int:
        """At most so many of the corpus are read."""
        return tokens_of(self.model, self.corpus_tokens)

    @cached_property
    def source(self) -> Corpus:
        """The texts of the key statistics."""
        return corpus_of(self.corpus, own=self.tokens, seed=self.seed)

    def statistics(self, layers: Sequence[int]) -> dict[int, Statistics]:
        """C of each layer, of the model as it was at first; to be asked for before it is edited."""
        if self.corpus is None:
            self.note("key statistics are those of the model's own texts: no corpus was given")
        found = statistics_of(
            self.model, layers, self.source, tokens=self.tokens, weights=self.weights if self.folder else "",
            folder=self.folder, say=self.say, tick=lambda done, remark: self.tick(0, f"key statistics: {remark}"),
        )  # fmt: skip
        read, size = min(each.tokens for each in found.values()), self.model.layout.d_ff
        if read < size:
            self.note(
                f"the corpus has {read:,} tokens, fewer than a block has neurons ({size:,}): in the directions that it "
                "does not show nothing is protected. Give a longer one, or raise `corpus_tokens`"
            )
        return found

    def values(
        self,
        bundles: Sequence[Sequence[int]],
        before: Sequence[str],
        place: Place,
        how: Fitting,
        *,
        stored: bool = True,
    ) -> list[Value]:
        """A value for each bundle of facts; from the store where it is there (`stored`: the model is as it was)."""
        wanted = [self._wanted([self.facts[i] for i in bundle], before) for bundle in bundles]
        store = ValueStore(self.folder if stored else None, self.weights if stored and self.folder else "", self.say)
        keys = [store.key(self.model, each, place, how) for each in wanted]
        found = {i: value for i, key in enumerate(keys) if (value := store.get(key)) is not None}
        missing = [i for i in range(len(wanted)) if i not in found]
        done = len(found)

        def tick(ended: int) -> None:
            nonlocal done
            done += ended
            self.tick(ended, f"values: {done} of {len(wanted)}", len(self.bundles()))

        def ended(batch: Sequence[int], values: Sequence[Value]) -> None:
            for number, value in zip(batch, values):
                found[missing[number]] = value
                store.put(keys[missing[number]], value)  # so a run that is killed goes on from here

        fit(self.model, [wanted[i] for i in missing], place, how, tick=tick, ended=ended)
        if missing:
            store.trim()
        return [found[i] for i in range(len(wanted))]

    def _wanted(self, facts: Sequence[Fact], before: Sequence[str]) -> Wanted:
        rows: list[Row] = []
        clean: list[int] = []
        for each in self.encoded(facts, before):
            clean.append(len(rows))
            rows += each
        return Wanted(tuple(rows), tuple(clean), self.rows.essence(facts[0], rows[0]))

    def note_ridge(self, layer: int, ridge: float) -> None:
        """Where C alone could not be inverted."""
        if ridge:
            self.note(
                f"layer {layer}: the corpus does not show all directions of what is read there, so {ridge:.2g} was "
                "added to the diagonal of its second moment: a longer corpus needs no such help"
            )

    def note(self, text: str) -> None:
        """For the record, once."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)


def tokens_of(model: Model, wanted: int | None) -> int:
    """Of a corpus, for key statistics; a few times as many as a block has neurons, where none are told."""
    return wanted or 16 * model.layout.d_ff


def blocks(depth: int, last: float, count: int) -> list[int]:
    """`count` blocks (fewer where there are fewer) up to `last`: a block's number, or below 1 a share of the depth.

    >>> blocks(30, 0.4, 5)
    [8, 9, 10, 11, 12]
    """
    end = min(int(last * depth), depth - 1) if last < 1 else int(last)
    if not 0 <= end < depth:
        raise ConfigError(f"last={last:g}: the model has {depth} layers, which count from 0")
    return list(range(max(0, end - count + 1), end + 1))
