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
Deviations: that rule (`reaching.py`); the slack of lookups, and which tokens are looked up: see `models/codebook.py`;
𝕍 is drawn by the fact, so that another fact does not change it; a prompt that an earlier request gave another target
has the later one.
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
from expunge.edit.reaching import distances, reach
from expunge.edit.reading import read_tokens
from expunge.edit.value_store import ValueStore
from expunge.edit.values import Value
from expunge.edit.work import Work, blocks
from expunge.errors import ChangeError, ConfigError
from expunge.models.codebook import Balls, Codebook, label_of, salt_of, slack_in
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
    first, limits = reach(work, block, queries, radius, share)
    salt = salt_of(base, queries) if before is None else before.salt
    labels = tuple(label_of(salt, row.ids[row.start :]) for row in rows)
    asked = _Asked(queries, first, limits, labels, tuple(fact.example.id for fact in work.facts), salt)
    if before is not None:
        before = _given_way(work, before, asked)
        asked = _Asked.of(before).and_then(asked)
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
    from before; but the target of an earlier request whose place one of them took does not come back. Raises
    ChangeError for ids that are not there, and where a value was fitted on a fact together with others: then edit again
    without it.
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
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    salt: str

    @classmethod
    def of(cls, codebook: Codebook) -> "_Asked":
        return cls(codebook.queries, codebook.first, codebook.limits, codebook.labels, codebook.ids, codebook.salt)

    def and_then(self, other: "_Asked") -> "_Asked":
        pairs = zip(self._tensors, (each.to(self.queries) for each in other._tensors))
        queries, first, limits = (torch.cat(pair) for pair in pairs)
        return _Asked(queries, first, limits, self.labels + other.labels, self.ids + other.ids, self.salt)

    def some(self, rest: Sequence[int]) -> "_Asked":
        queries, first, limits = (each[list(rest)] for each in self._tensors)
        labels, ids = (tuple(each[i] for i in rest) for each in (self.labels, self.ids))
        return _Asked(queries, first, limits, labels, ids, self.salt)

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


def _given_way(work: Work, before: Codebook, asked: _Asked) -> Codebook:
    """The earlier codebook without the facts whose prompts are given another target now.

    A prompt is known by what is read at it, as every lookup knows it.
    """
    near = before.balls.slack * asked.queries.norm(dim=1)
    alike = distances(asked.queries, before.queries.to(asked.queries)) <= near[:, None]
    met = [(i, old) for i, old in alike.nonzero().tolist() if asked.labels[i] != before.labels[old]]
    gone = {old for _, old in met}
    found = _of_some(before, [old for old in range(len(before.ids)) if old not in gone]) if gone else before
    if found is None:
        fact = work.facts[met[0][0]].example
        raise ConfigError(
            f"{fact.source or fact.id}: in the earlier request its prompt has another target, whose value other facts "
            "share, so it cannot be replaced alone: leave the prompt out, or make the codebook anew from all facts "
            "(without `earlier`)"
        )
    if gone:
        work.note(f"{len(gone)} facts of the earlier request have new targets now, which this one gives their prompts")
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


def _codebook(
    asked: _Asked, balls: Sequence[Ball], values: Tensor, base: Fingerprint, path: str, record: Any
) -> Codebook:  # fmt: skip
    keys = asked.queries[[ball.facts[0] for ball in balls]]
    radii = torch.tensor([ball.radius for ball in balls], dtype=keys.dtype)
    return Codebook(
        base, path, record, Balls(keys, values, radii, slack_in(base, path)), tuple(ball.facts for ball in balls),
        asked.queries, asked.first, asked.limits, asked.labels, asked.ids, asked.salt,
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
