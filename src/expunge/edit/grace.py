"""GRACE: a codebook beside one layer, which gives a fitted value near what it reads at a fact. Hartvigsen et al. 2023,
arXiv:2211.11031.

    edit     q = what the layer reads at the prompt's last token; (q, 𝕍, ε) is added, split or expanded (`balls.py`);
             then `steps` of Adam on 𝕍, the layer's output there, for the mean loss of the target's tokens
    answer   𝕍_j wherever a token's read lies within ε_j of the nearest key 𝕂_j (`models/codebook.py`)

No weight changes, and nothing outside the balls. The layer is the down projection of the block at the share `layer` of
the depth (authors: block 27 of 32 of Llama 2 7B), 𝕍 begins uniform in [0, 1) (`start=cold`), or as what the layer gives
(`warm`). All keys are read in one pass, since what a layer reads does not depend on what it gives; values that do not
depend on one another are fitted together.
The published radius, 1, means something else in every model: `radius` gives it. Unless it does, a ball reaches `share`
of the way to the nearest token of what must stay: of the retain set's prompts and answers, and of the corpus (where
that does not have the fact itself); then a ball never grows to such a token either. That rule is ours.
Deviations: that rule; the slack of lookups, and which tokens are looked up: see `models/codebook.py`; 𝕍 is drawn by
the fact, so that another fact does not change it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.change import Fingerprint
from expunge.data.convention import Encoded
from expunge.edit import editors
from expunge.edit.balls import Ball, balls_of
from expunge.edit.earlier import earlier_of
from expunge.edit.edited import Edited
from expunge.edit.layer_values import Steps, fit_outputs, outputs_at
from expunge.edit.options import Share
from expunge.edit.reading import corpus_pieces, kept_pieces, read_tokens
from expunge.edit.value_store import ValueStore
from expunge.edit.values import Value
from expunge.edit.work import Work, blocks
from expunge.errors import ChangeError, ConfigError
from expunge.models.codebook import SLACK, Balls, Codebook
from expunge.objectives.options import AtLeastOne, Layer, Positive
from expunge.parameters import parameters_of

Start = Literal["cold", "warm"]


@editors.add(
    "grace", paper="arXiv:2211.11031", facts=True, attaches=True, leaves=("merge_queries", "merge_by", "protect")
)
def grace(
    work: Work,
    *,
    layer: Layer = 0.85,
    radius: Positive | None = None,
    share: Share = 0.5,
    start: Start = "cold",
    rate: Positive = 1.0,
    steps: AtLeastOne = 50,
    earlier: str | None = None,
) -> Edited:
    """`radius` is ε in the units of what the layer reads; `earlier` the codebook of an earlier request, to go on with.

    Raises ConfigError for a prompt of one token, with which all texts begin that have it, and for two targets of one
    prompt.
    """
    model, (block,) = work.model, blocks(work.model.layout.depth, layer, 1)
    base, path = Fingerprint.of(parameters_of(model.network)), model.layout.mlp_out(block)
    before = None if earlier is None else _earlier(earlier, base, path)
    rows = [work.rows.of(fact)[0].encoded for fact in work.facts]
    _check(work, rows)
    prompts = read_tokens(model, block, [row.ids[: row.start] for row in rows])
    queries = torch.stack([read[-1] for read in prompts])
    first, limits = _reach(work, block, queries, radius, share)
    labels = tuple(row.ids[row.start :] for row in rows)
    asked = _Asked(queries, first, limits, labels, tuple(fact.example.id for fact in work.facts))
    asked = asked if before is None else _Asked.of(before).and_then(asked)
    balls = balls_of(asked.queries, asked.labels, asked.first, asked.limits)
    fits = _Fits(work, block, rows, len(asked.ids) - len(rows), start, Steps(rate, steps))
    found = fits.values([ball.facts for ball in balls], before)
    vectors = torch.stack([value.vector for value in found]).to(queries.dtype)
    codebook = _codebook(asked, balls, vectors, base, path, {} if before is None else before.record)
    _tell(work, codebook, len(balls) - (0 if before is None else len(before)))
    skipped = len(asked.ids) - len(rows)

    def again(rest: list[int]) -> Codebook | None:
        return _of_some(codebook, [*range(skipped), *(skipped + i for i in rest)])

    return Edited(codebook, tuple(work.facts), tuple(found), tuple(work.notes), again)


def without(codebook: Codebook, *ids: str) -> Codebook:
    """The codebook as it would be had these facts (their examples' ids) never been asked for.

    Balls follow from the queries of all facts, which are kept, so radii that a fact had split or expanded are those
    from before. Raises ChangeError for ids that are not there, and where a value was fitted on a fact together with
    others: then edit again without it.
    """
    if unknown := [each for each in ids if each not in codebook.ids]:
        raise ChangeError(f"no fact {unknown[0]!r} was edited")
    found = _of_some(codebook, [i for i, each in enumerate(codebook.ids) if each not in ids])
    if found is None:
        raise ChangeError(
            "a value was fitted on one of these facts together with others, so it cannot be taken out: edit again "
            "without it (`--without`)"
        )
    return found


@dataclass(frozen=True)
class _Asked:
    """All that balls follow from. Axis `facts`."""

    queries: Float[Tensor, "facts in"]
    first: Float[Tensor, " facts"]
    limits: Float[Tensor, " facts"]
    labels: tuple[tuple[int, ...], ...]
    ids: tuple[str, ...]

    @classmethod
    def of(cls, codebook: Codebook) -> "_Asked":
        return cls(codebook.queries, codebook.first, codebook.limits, codebook.labels, codebook.ids)

    def and_then(self, other: "_Asked") -> "_Asked":
        pairs = zip(self._tensors, (each.to(self.queries) for each in other._tensors))
        queries, first, limits = (torch.cat(pair) for pair in pairs)
        return _Asked(queries, first, limits, self.labels + other.labels, self.ids + other.ids)

    def some(self, rest: Sequence[int]) -> "_Asked":
        queries, first, limits = (each[list(rest)] for each in self._tensors)
        return _Asked(queries, first, limits, tuple(self.labels[i] for i in rest), tuple(self.ids[i] for i in rest))

    @property
    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.queries, self.first, self.limits


@dataclass(frozen=True)
class _Fits:
    """Values of balls, each from the store where it is there; `skipped` facts of earlier requests precede `rows`."""

    work: Work
    block: int
    rows: Sequence[Encoded]
    skipped: int
    start: Start
    how: Steps

    def values(self, chains: Sequence[tuple[int, ...]], before: Codebook | None) -> list[Value]:
        """One for each chain of facts; those that an earlier request had fitted are taken from there."""
        work, found = self.work, dict[int, Value]()
        store = ValueStore(work.folder, work.weights if work.folder else "", work.say)
        for number, chain in enumerate(chains):
            had = tuple(i for i in chain if i < self.skipped)
            if had and before is not None:
                vector = before.balls.values[before.chains.index(had)].float()
                found[number] = Value(vector, vector, 0.0, 0)
        turns = max(map(len, chains))
        for turn in range(turns):  # of a chain each fact goes on from what the ones before it left
            due = {n: chain[turn] - self.skipped for n, chain in enumerate(chains) if len(chain) > turn}
            self._turn({n: i for n, i in due.items() if i >= 0}, found, store)
        return [found[number] for number in range(len(chains))]

    def _turn(self, due: dict[int, int], found: dict[int, Value], store: ValueStore) -> None:
        keys = {n: self._key(i, found.get(n)) for n, i in due.items()}
        kept = {n: value for n, key in keys.items() if (value := store.get(key)) is not None}
        missing = [n for n in due if n not in kept]
        rows = [self.rows[due[n]] for n in missing]
        starts = [found[n].vector if n in found else None for n in missing]
        drawn = torch.stack([s if s is not None else d for s, d in zip(starts, self._drawn(rows))]) if rows else None
        done = len(kept)

        def ended(batch: Sequence[int], values: Sequence[Value]) -> None:
            nonlocal done
            done += len(batch)
            for i, value in zip(batch, values):
                kept[missing[i]] = value
                store.put(keys[missing[i]], value)  # so a run that is killed goes on from here
            self.work.tick(len(batch), f"values: {done} of {len(due)}", len(self.rows))

        if drawn is not None:
            fit_outputs(self.work.model, self.block, rows, drawn, self.how, ended)
            store.trim()
        found.update(kept)

    def _drawn(self, rows: Sequence[Encoded]) -> list[Tensor]:
        """Where the values begin."""
        if self.start == "warm":
            return list(outputs_at(self.work.model, self.block, rows)) if rows else []
        width = self.work.model.layout.width
        return [torch.rand(width, generator=_generator(self.work.seed, row)) for row in rows]

    def _key(self, fact: int, before: Value | None) -> dict[str, Any]:
        """All that a value depends on."""
        row, model = self.rows[fact], self.work.model
        began = "" if before is None else sha256(before.vector.numpy().tobytes()).hexdigest()
        return {
            "editor": "grace", "weights": self.work.weights if self.work.folder else "", "block": self.block,
            "row": [list(row.ids), row.start], "began": began or [self.start, self.work.seed], "how": asdict(self.how),
            "type": str(model.network.dtype), "device": model.device.type,
        }  # fmt: skip


def _generator(seed: int, row: Encoded) -> torch.Generator:
    """Of the fact itself, so that no other fact changes what is drawn for it."""
    told = sha256(repr((seed, row.ids, row.start)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(told[:7], "big"))


def _earlier(path: str, base: Fingerprint, layer: str) -> Codebook:
    """The codebook of an earlier request on the same model and layer. ConfigError otherwise."""
    found = earlier_of(Codebook, path, base)
    if found.path != layer:
        raise ConfigError(f"earlier={path} hangs on {found.path}, and this request on {layer}: name the same `layer`")
    return found


def _check(work: Work, rows: Sequence[Encoded]) -> None:
    said: dict[tuple[int, ...], tuple[int, ...]] = {}
    for fact, row in zip(work.facts, rows):
        where, prompt, target = fact.example.source or fact.example.id, row.ids[: row.start], row.ids[row.start :]
        if len(prompt) < 2:
            raise ConfigError(
                f"{where}: a prompt of one token cannot be told from the beginning of other texts: give a longer one"
            )
        if said.setdefault(prompt, target) != target:
            raise ConfigError(f"{where}: its prompt has another target already: give each prompt once")


def _reach(
    work: Work, block: int, queries: Float[Tensor, "facts in"], radius: float | None, share: float
) -> tuple[Float[Tensor, " facts"], Float[Tensor, " facts"]]:
    """The radius of each fact's ball, and what it must not reach."""
    infinite = torch.full((len(queries),), torch.inf, dtype=queries.dtype)
    if radius is not None:
        return torch.full_like(infinite, radius), infinite
    alike = 2 * SLACK * queries.norm(dim=1)
    limits, kept = infinite, kept_pieces(work)
    for read in read_tokens(work.model, block, kept):
        limits = torch.minimum(limits, _distances(queries, read).min(1).values)
    if met := int((limits <= alike).sum()):
        work.note(
            f"{met} of {len(queries)} facts are read just like a token of what must stay, which so goes with them: "
            "does a prompt stand in both sets, or end in what all of them end in?"
        )
    corpus = corpus_pieces(work) if work.corpus is not None or not kept else []
    for read in read_tokens(work.model, block, corpus):
        away = _distances(queries, read)
        away = away.masked_fill(away <= alike[:, None], torch.inf)  # there the corpus has the fact itself
        limits = torch.minimum(limits, away.min(1).values)
    return share * limits, limits


def _distances(queries: Float[Tensor, "facts in"], read: Float[Tensor, "tokens in"]) -> Float[Tensor, "facts tokens"]:
    return torch.cdist(queries, read, compute_mode="donot_use_mm_for_euclid_dist")


def _codebook(
    asked: _Asked, balls: Sequence[Ball], values: Tensor, base: Fingerprint, path: str, record: Any
) -> Codebook:  # fmt: skip
    keys = asked.queries[[ball.facts[0] for ball in balls]]
    radii = torch.tensor([ball.radius for ball in balls], dtype=keys.dtype)
    return Codebook(
        base, path, record, Balls(keys, values, radii), tuple(ball.facts for ball in balls), asked.queries,
        asked.first, asked.limits, asked.labels, asked.ids,
    )  # fmt: skip


def _of_some(codebook: Codebook, rest: Sequence[int]) -> Codebook | None:
    """The codebook of some of its facts; None where a value would have to be fitted anew."""
    asked = _Asked.of(codebook).some(rest)
    balls = balls_of(asked.queries, asked.labels, asked.first, asked.limits)
    fitted = {chain: number for number, chain in enumerate(codebook.chains)}
    numbers = [fitted.get(tuple(rest[i] for i in ball.facts)) for ball in balls]
    if any(number is None for number in numbers):
        return None
    values = codebook.balls.values[[n for n in numbers if n is not None]]
    return _codebook(asked, balls, values, codebook.base, codebook.path, codebook.record)


def _tell(work: Work, codebook: Codebook, new: int) -> None:
    radii = codebook.balls.radii
    if new < len(work.facts):
        work.note(f"{len(work.facts)} facts are {new} balls: those share one that lie together and have one target")
    work.note(
        f"the codebook has {len(codebook)} balls of radius {float(radii.min()):.3g} to {float(radii.max()):.3g} at "
        f"{codebook.path}; whoever detaches it has all of the original back"
    )
