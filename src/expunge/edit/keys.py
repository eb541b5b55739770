"""Keys: what the down projections read at the subjects' last tokens; and what stands in the residual stream there.

    k_l = (1/P) Σ_p  input of W_down^l at the subject's last token of (context p + prompt)

All facts in one pass: those that share a context are one tree, so a context is computed once. The pass ends at the
deepest block that is asked for, and what stands below the first one is kept from pass to pass (`Reader`), because an
edit of block l changes nothing below it. No deviations.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.forest import Forest, plant
from expunge.edit.facts import Row
from expunge.models.model import Model
from expunge.models.resuming import output_seen, resumed
from expunge.models.scoring import forward
from expunge.models.watching import module_at, stopping_after, watch_mlp_input, watch_mlp_output, watch_residual


@dataclass(frozen=True)
class Read:
    """What was read of every fact. Axis `facts`."""

    keys: Float[Tensor, "facts d_ff"]  # mean over contexts
    bare: Float[Tensor, "facts d_ff"]  # of the bare prompt (the first row), as the rest is
    state: Float[Tensor, "facts width"]  # residual stream after block `last`
    gives: Float[Tensor, "facts width"]  # what the down projection gives, its bias included
    gain: Float[Tensor, "facts width"]  # of the norm behind it; 1 where there is none


class Reader:
    """Reads the same rows again and again, from ascending blocks, while the blocks are edited."""

    def __init__(self, model: Model, facts: Sequence[Sequence[Row]], *, budget: int = 1024) -> None:
        self._model = model
        self._facts = len(facts)
        self._batches = [_batch(group, model) for group in _groups(facts, budget)]
        self._rows = [len(rows) for rows in facts]

    @torch.no_grad()
    def read(self, block: int, last: int) -> Read:
        """Keys of `block`, and the residual stream after block `last` (no lower than it), in float64."""
        layout = self._model.layout
        sizes = {"keys": layout.d_ff, "bare": layout.d_ff, "state": layout.width, "gives": layout.width,
                 "gain": layout.width}  # fmt: skip
        found = {name: torch.zeros(self._facts, size, dtype=torch.float64) for name, size in sizes.items()}
        for batch in self._batches:
            keys, gives, behind, states = self._pass(batch, block, last)
            for i, (fact, row) in enumerate(batch.rows):
                found["keys"][fact] += keys[i] / self._rows[fact]
                if row == 0:
                    found["bare"][fact], found["state"][fact], found["gives"][fact] = keys[i], states[i], gives[i]
                    found["gain"][fact] = _gain(gives[i], behind[i])
        return Read(**found)

    def _pass(self, batch: "_Batch", block: int, last: int) -> list[Tensor]:
        """Keys, outputs of the down projection, those behind its norm, residual stream, at the rows' places."""
        model, layout = self._model, self._model.layout
        behind = layout.after_mlp(block)
        with ExitStack() as stack:
            if block > 0:
                stack.enter_context(resumed(model, block, [self._below(batch, block)] * block))
            seen = [stack.enter_context(watch(model, block)) for watch in (watch_mlp_input, watch_mlp_output)]
            normed: list[Tensor] = []
            if behind is not None:
                handle = module_at(model, behind).register_forward_hook(
                    lambda _, __, output: normed.append(output.flatten(0, -2))
                )
                stack.callback(handle.remove)
            seen += [normed if behind is not None else seen[1], stack.enter_context(watch_residual(model, last))]
            with stopping_after(model, last):
                forward(model, batch.forest)
        return [each[0].flatten(0, -2)[batch.at].double().cpu() for each in seen]

    def _below(self, batch: "_Batch", block: int) -> Any:
        """What block `block` reads: kept, and brought up from the block that it was kept of."""
        model = self._model
        if batch.below is None or batch.of != block:
            if batch.of > block:
                raise ValueError(f"blocks are read in ascending order: {batch.of} came before {block}")
            with ExitStack() as stack:
                if batch.below is not None:
                    stack.enter_context(resumed(model, batch.of, [batch.below] * batch.of))
                outputs = stack.enter_context(output_seen(model, block - 1))
                with stopping_after(model, block - 1):
                    forward(model, batch.forest)
            batch.below, batch.of = outputs[0], block
        return batch.below


@dataclass
class _Batch:
    """Rows in one forest."""

    rows: list[tuple[int, int]]  # fact, row
    forest: Forest
    at: Tensor  # the node of each row's place
    below: Any = None  # what block `of` reads
    of: int = 0


def _groups(facts: Sequence[Sequence[Row]], budget: int) -> list[list[tuple[int, int, Row]]]:
    """Rows with the same number (so the same context) together, of at most `budget` tokens."""
    groups: list[list[tuple[int, int, Row]]] = []
    for number in range(max(map(len, facts), default=0)):
        filled = budget
        for i, rows in enumerate(facts):
            if number >= len(rows):
                continue
            size = rows[number].place + 1
            if filled + size > budget:
                groups.append([])
                filled = 0
            groups[-1].append((i, number, rows[number]))
            filled += size
    return groups


def _batch(group: Sequence[tuple[int, int, Row]], model: Model) -> _Batch:
    ends = [replace(row.encoded, ids=row.encoded.ids[: row.place + 1], start=row.place) for _, _, row in group]
    forest = plant([ends], keep_last=True).to(model.device)
    assert forest.own is not None
    return _Batch([(fact, number) for fact, number, _ in group], forest, forest.own)


def _gain(given: Float[Tensor, " width"], behind: Float[Tensor, " width"]) -> Float[Tensor, " width"]:
    """What the norm behind a down projection multiplies each number by, at this token."""
    return torch.where(given == 0, torch.ones_like(given), behind / torch.where(given == 0, 1.0, given))
