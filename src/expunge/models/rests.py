"""Rests: chains from one token and one block on. What stands before is computed once and kept.

A change that is made at one token of a block's output (or of its MLP) moves only that token and those after it, in the
blocks above. So a search for such a change runs, step after step, over the rests: the last tokens of each row, the
upper blocks, with the keys and values of all that comes before (`past.py`). The results are those of whole passes.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import Forest, plant
from expunge.models.model import Model
from expunge.models.past import Noting, Past
from expunge.models.resuming import output_seen, resumed
from expunge.models.scoring import Pass, forward
from expunge.models.watching import edit_mlp_output, edit_residual, watch_mlp_output, watch_residual


@dataclass(frozen=True)
class Place:
    """Where something is added: the residual stream after block `layer`, or what its down projection gives."""

    layer: int
    mlp: bool = False

    @property
    def first(self) -> int:
        """The first block that is computed again."""
        return self.layer if self.mlp else self.layer + 1


@dataclass(frozen=True)
class Rests:
    """Rows from their `places` on. Axis `rows`: as they were given."""

    place: Place
    rows: tuple[Encoded, ...]
    places: tuple[int, ...]
    states: Float[Tensor, "rows width"]  # what stands at the place, undisturbed
    below: tuple[Tensor, ...]  # of each row: what the first block reads from its place on
    form: Any  # how a block returns its output
    past: Past
    forest: Forest
    at: Int[Tensor, " rows"]  # node of each row's place

    def of(self, rows: Sequence[int]) -> "Rests":
        """Some of the rows."""
        pick = lambda each: tuple(each[i] for i in rows)
        kept, places, below = pick(self.rows), pick(self.places), pick(self.below)
        forest, at = _planted(kept, places, self.states.device)
        index = torch.tensor(list(rows), device=self.states.device)
        return replace(
            self, rows=kept, places=places, states=self.states[index], below=below, past=self.past.of(rows),
            forest=forest, at=at,
        )  # fmt: skip

    def run(self, model: Model, added: Float[Tensor, "rows width"], *, logits: bool = False) -> Pass:
        """A pass in which `added` is added at each row's place."""

        def add(state: Tensor) -> Tensor:
            return state.flatten(0, -2).index_add(0, self.at, added.to(state)).view_as(state)

        edit = edit_mlp_output if self.place.mlp else edit_residual
        with ExitStack() as stack:
            if self.place.first > 0:
                read = torch.cat(self.below)[None]
                output = read if isinstance(self.form, Tensor) else type(self.form)((read, *self.form[1:]))
                stack.enter_context(resumed(model, self.place.first, [output] * self.place.first))
            stack.enter_context(edit(model, self.place.layer, add))
            return forward(model, self.forest, logits=logits, memory=self.past)


@torch.no_grad()
def rests(model: Model, rows: Sequence[Encoded], places: Sequence[int], place: Place) -> Rests:
    """Run the rows once as they are, and keep what the rests need.

    A row predicts from `start` - 1 on, which its place must not exceed.
    """
    forest = plant([[row] for row in rows]).to(model.device)
    noting = Noting(place.first)
    with ExitStack() as stack:
        outputs = stack.enter_context(output_seen(model, place.first - 1)) if place.first else []
        watch = watch_mlp_output if place.mlp else watch_residual
        seen = stack.enter_context(watch(model, place.layer))
        forward(model, forest, memory=noting)
    sizes = [len(row.ids) - 1 for row in rows]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    states = seen[0].flatten(0, -2)[torch.tensor([s + p for s, p in zip(starts, places)], device=model.device)]
    form = outputs[0] if outputs else None
    below: tuple[Tensor, ...] = tuple(states.new_zeros(size - p, 0) for size, p in zip(sizes, places))
    if form is not None:
        flat = (form if isinstance(form, Tensor) else form[0]).flatten(0, -2)
        below = tuple(each[p:].clone() for each, p in zip(flat.split(sizes), places))
    own, at = _planted(rows, places, model.device)
    thin = form if form is None or isinstance(form, Tensor) else type(form)((form[0][:, :0], *form[1:]))
    return Rests(
        place, tuple(rows), tuple(places), states.clone(), below, thin if not isinstance(thin, Tensor) else thin[:, :0],
        noting.before(places), own, at,
    )  # fmt: skip


def _planted(rows: Sequence[Encoded], places: Sequence[int], device: torch.device) -> tuple[Forest, Tensor]:
    """The rests as chains whose positions go on where they were cut."""
    cut = [replace(row, ids=row.ids[p:], start=row.start - p) for row, p in zip(rows, places)]
    forest = plant([[each] for each in cut])
    sizes = torch.tensor([len(each.ids) - 1 for each in cut])
    offsets = torch.repeat_interleave(torch.tensor(list(places)), sizes)
    at = sizes.cumsum(0) - sizes
    return replace(forest, positions=forest.positions + offsets).to(device), at.to(device)
