"""Values of a layer's output: what the down projection of a block must give at a prompt's last token for a target.

    L(v) = -(1/T) Σ_t log π(y_t | prompt, y_<t; the layer gives v at the prompt's last token)

Adam from a given start, a number of steps, without clamp, decay or early end; all rows of a batch together, each with
its own state (Adam works number by number). Only the last prompt token and the target are computed again, from the
block on (`models/rests.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import pack
from expunge.edit.values import Value
from expunge.models.gradients import gradients_of
from expunge.models.model import Model
from expunge.models.rests import Place, Rests, rests

BUDGET = 2048  # tokens of a batch


@dataclass(frozen=True)
class Steps:
    """Of Adam."""

    rate: float
    count: int


def fit_outputs(
    model: Model,
    block: int,
    rows: Sequence[Encoded],
    starts: Float[Tensor, "rows width"],
    how: Steps,
    ended: Callable[[Sequence[int], Sequence[Value]], object],
    *,
    budget: int = BUDGET,
) -> None:
    """`ended` gets the numbers of the rows of each batch that is done, and their values."""
    for batch in pack([len(row.ids) for row in rows], budget):
        with gradients_of(model, ()):
            values = _batch(model, block, [rows[i] for i in batch], starts[batch], how)
        ended(batch, values)


def outputs_at(model: Model, block: int, rows: Sequence[Encoded]) -> Float[Tensor, "rows width"]:
    """What the layer gives at each row's last prompt token, in float32."""
    found = torch.empty(len(rows), model.layout.width)
    for batch in pack([len(row.ids) for row in rows], BUDGET):
        found[batch] = _rests(model, block, [rows[i] for i in batch]).states.float().cpu()
    return found


def _batch(model: Model, block: int, rows: Sequence[Encoded], starts: Tensor, how: Steps) -> list[Value]:
    each = _rests(model, block, rows)
    wide = torch.promote_types(each.states.dtype, torch.float32)
    own = each.states.to(wide)
    values = starts.to(own).clone().requires_grad_()
    adam = torch.optim.Adam([values], lr=how.rate)
    owner = each.forest.owner
    weight = (1 / torch.bincount(owner, minlength=len(rows)).to(wide))[owner]
    losses = own.new_zeros(len(rows))
    for _ in range(how.count):
        adam.zero_grad()
        likelihood = each.run(model, values - own).log_probs.to(wide)
        losses = own.new_zeros(len(rows)).index_add(0, owner, -likelihood * weight)
        losses.sum().backward()
        adam.step()
    found = values.detach().float().cpu()
    return [
        Value(vector.clone(), start.float().cpu().clone(), float(loss), how.count)
        for vector, start, loss in zip(found, starts, losses.detach())
    ]


def _rests(model: Model, block: int, rows: Sequence[Encoded]) -> Rests:
    return rests(model, rows, [row.start - 1 for row in rows], Place(block, mlp=True))
