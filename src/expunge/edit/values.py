"""Values: what must stand at a subject's last token for its target to be said. Meng et al. 2022, arXiv:2202.05262, eq.
4.

    L(δ) = mean over contexts of -(1/T) Σ_t log π(y_t | context, prompt, y_<t; δ)
           + kl · KL(p_δ ‖ p₀), next token after the subject in "{subject} is a"
           + decay · ‖δ‖ / ‖v₀‖²,        and after each step  ‖δ‖ ≤ clamp · ‖v₀‖

δ is added at the last token of the subject in every row: to what the MLP gives (ROME) or to the residual stream after
the block (MEMIT, AlphaEdit); v₀ is what stands there in the bare prompt, v₀ + δ the value. Adam from δ = 0; the loss
is looked at `steps` times at most, so there is one step fewer, and it ends at a loss below `stop`. The decay is that
of the authors' code (the paper has ‖δ‖²).

All facts of a batch run together, each with its own Adam state and its own end; what a fact's δ cannot move (blocks
below, tokens before) is computed once (`models/rests.py`); finished facts leave the batch. Facts of one bundle share
δ: their v₀ is the mean. Deviations: none in the mathematics; where a fact has no subject, the essence is that of its
prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.forest import pack
from expunge.edit.facts import Row
from expunge.models.gradients import gradients_of
from expunge.models.model import Model
from expunge.models.rests import Place, Rests, rests
from expunge.models.scoring import Pass


@dataclass(frozen=True)
class Fitting:
    """How values are fitted; the letters are those of the equation."""

    rate: float
    steps: int
    stop: float
    decay: float
    clamp: float
    kl: float


@dataclass(frozen=True)
class Value:
    """What was fitted for a fact, or for a bundle of them."""

    vector: Float[Tensor, " width"]  # v₀ + δ, float32
    start: Float[Tensor, " width"]  # v₀
    loss: float  # at the end
    steps: int  # that were made


@dataclass(frozen=True)
class Wanted:
    """One value to be fitted: its rows, those of bare prompts (which give v₀), and where its essence is asked."""

    rows: tuple[Row, ...]
    bare: tuple[int, ...]
    essence: Row


def fit(
    model: Model,
    wanted: Sequence[Wanted],
    place: Place,
    how: Fitting,
    *,
    budget: int = 2048,
    tick: Callable[[int], object] = lambda done: None,
    ended: Callable[[Sequence[int], Sequence[Value]], object] = lambda batch, values: None,
) -> list[Value]:
    """The values, in the order given. `budget` bounds the tokens of a batch: memory, not results.

    `ended` gets the numbers of the values of each batch that is done, and these.
    """
    sizes = [sum(len(row.encoded.ids) for row in (*each.rows, each.essence)) for each in wanted]
    found: dict[int, Value] = {}
    for batch in pack(sizes, budget):
        found.update(_batch(model, {i: wanted[i] for i in batch}, place, how, tick))
        ended(batch, [found[i] for i in batch])
    return [found[i] for i in range(len(wanted))]


def _batch(
    model: Model, wanted: dict[int, Wanted], place: Place, how: Fitting, tick: Callable[[int], object]
) -> dict[int, Value]:
    """Facts that run together until each has ended."""
    with gradients_of(model, ()):
        return _Search(model, wanted, place, how).run(tick)


class _Search:
    """The facts that still run, their rows, and each one's δ."""

    def __init__(self, model: Model, wanted: dict[int, Wanted], place: Place, how: Fitting) -> None:
        self.model, self.how = model, how
        rows = [(i, row, False) for i, each in wanted.items() for row in each.rows]
        rows += [(i, _cut(each.essence), True) for i, each in wanted.items()]
        self.owner, self.essence = [i for i, _, _ in rows], [essence for _, _, essence in rows]
        self.rests = rests(model, [row.encoded for _, row, _ in rows], [row.place for _, row, _ in rows], place)
        self.starts: dict[int, Tensor] = {}
        first = 0
        for i, each in wanted.items():
            bare = self.rests.states[[first + j for j in each.bare]]
            self.starts[i], first = bare.mean(0).float(), first + len(each.rows)
        self.deltas = {i: torch.zeros_like(start).requires_grad_() for i, start in self.starts.items()}
        self.adam = torch.optim.Adam(list(self.deltas.values()), lr=how.rate)
        self.essences: dict[int, Tensor] = {}  # log p₀

    def run(self, tick: Callable[[int], object]) -> dict[int, Value]:
        """Step after step."""
        found: dict[int, Value] = {}
        going = list(self.deltas)
        for step in range(self.how.steps):
            self.adam.zero_grad()
            losses = self._losses(going)
            values = losses.detach().tolist()
            ended = {i for i, loss in zip(going, values) if loss < self.how.stop or step == self.how.steps - 1}
            for i, loss in zip(going, values):
                if i in ended:
                    delta = self.deltas[i].detach().clone()
                    found[i] = Value((self.starts[i] + delta).cpu(), self.starts[i].cpu(), loss, step)
            tick(len(ended))
            if len(ended) == len(going):
                break
            torch.stack([loss for i, loss in zip(going, losses) if i not in ended]).sum().backward()
            self.adam.step()
            self._clamp()
            if ended:
                going = [i for i in going if i not in ended]
                self._keep(set(going))
        return found

    def _losses(self, going: Sequence[int]) -> Float[Tensor, " facts"]:
        """L of each fact that still runs."""
        added = torch.stack([self.deltas[i] for i in self.owner])
        seen = self.rests.run(self.model, added, logits=self.how.kl > 0)
        number = {i: n for n, i in enumerate(going)}
        fact = torch.tensor([number[i] for i in self.owner], device=added.device)
        losses = _likelihood(seen, self.rests, fact, self.essence, len(going))
        if self.how.kl > 0:
            losses = losses + self.how.kl * self._divergence(seen, going)
        delta, start = (torch.stack([each[i] for i in going]) for each in (self.deltas, self.starts))
        return losses + self.how.decay * _norms(delta) / start.norm(dim=1).square()

    def _divergence(self, seen: Pass, going: Sequence[int]) -> Float[Tensor, " facts"]:
        """KL(p_δ ‖ p₀) of each fact; p₀ is that of the first look, where δ is 0."""
        assert seen.logits is not None
        owner = self.rests.forest.owner.tolist()
        tokens = {self.owner[row]: token for token, row in enumerate(owner) if self.essence[row]}
        logs = seen.logits[[tokens[i] for i in going]].log_softmax(-1)
        if not self.essences:
            self.essences = dict(zip(going, logs.detach()))
        before = torch.stack([self.essences[i] for i in going])
        return divergence(logs, before)

    def _clamp(self) -> None:
        with torch.no_grad():
            for i, delta in self.deltas.items():
                limit, norm = self.how.clamp * self.starts[i].norm(), delta.norm()
                if norm > limit:
                    delta *= limit / norm

    def _keep(self, going: set[int]) -> None:
        """Only the rows of those that still run."""
        rows = [row for row, i in enumerate(self.owner) if i in going]
        self.rests = self.rests.of(rows)
        self.owner, self.essence = [self.owner[row] for row in rows], [self.essence[row] for row in rows]
        self.deltas = {i: delta for i, delta in self.deltas.items() if i in going}


def divergence(
    logs: Float[Tensor, "facts vocabulary"], before: Float[Tensor, "facts vocabulary"]
) -> Float[Tensor, " facts"]:
    """KL(p ‖ p₀) = Σ p (log p − log p₀), from log p and log p₀: eq. 4 asks what p adds to p₀, not the other way."""
    return (logs.exp() * (logs - before)).sum(-1)


def _likelihood(seen: Pass, each: Rests, fact: Tensor, essence: Sequence[bool], facts: int) -> Float[Tensor, " facts"]:
    """Mean over a fact's rows of the mean negative log-likelihood of their targets."""
    owner = each.forest.owner
    lengths = torch.bincount(owner, minlength=len(essence))
    counted = torch.tensor([not it for it in essence], device=owner.device)
    rows = torch.bincount(fact[counted], minlength=facts)
    weight = counted[owner] / (lengths[owner] * rows[fact[owner]])
    return -seen.log_probs.new_zeros(facts).index_add(0, fact[owner], seen.log_probs * weight)


def _norms(vectors: Float[Tensor, "facts width"]) -> Float[Tensor, " facts"]:
    """Euclidean; at 0 the gradient is 0, not undefined."""
    squares = vectors.square().sum(1)
    zero = squares == 0
    return torch.where(zero, squares, squares.masked_fill(zero, 1.0).sqrt())


def _cut(row: Row) -> Row:
    """A row that ends at its place: the next token there is not one to be said, so any stands for it."""
    ids = row.encoded.ids[: row.place + 1]
    return Row(replace(row.encoded, ids=(*ids, ids[-1]), start=len(ids)), row.place)
