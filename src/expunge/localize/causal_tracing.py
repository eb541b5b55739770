"""Causal tracing: which clean state brings the answer back when the subject cannot be read. Meng et al. 2022,
arXiv:2202.05262.

    IE_u = P*(y | u as in the clean run) - P*(y)        P*: with noise on the subject's tokens (`corruption.py`)

averaged over draws of the noise and examples. P = exp((1/T) Σ_t log π(y_t | x, y_<t)), teacher-forced: of an answer of
one token the paper's P. A layer's state is the output of its MLP (or attention, or the residual stream after it), with
`window` layers restored together around it; a head's is what it gives to the output projection, and `restore` and
`window` do not concern it.
Where it is restored: at the last token of each mention of the subject, where the paper finds the MLPs decisive; for
attention and heads at all positions, for theirs is a late site, of which an answer of several tokens has several. `at`
says otherwise. The residual stream restored everywhere brings everything back.
Cost: 1 + `draws` · (1 + units) forward passes over the forget set, each from its layer on.
Deviations: answers of several tokens; one layer at a time by default (paper: windows of 10 for MLP and attention);
fewer draws (authors' code: 10); one number for a layer, where the paper has one for each token; heads are ours.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.localize import Scene, localizers
from expunge.localize.corruption import Batch, Corruption, corruption_of
from expunge.models.model import Model
from expunge.models.resuming import blocks_seen, resumed
from expunge.models.scoring import forward, sums
from expunge.models.watching import (
    edit_attention_output,
    edit_heads,
    edit_mlp_output,
    edit_residual,
    only_reading,
)
from expunge.objectives.options import AtLeastOne, Positive

Restore = Literal["mlp", "attention", "residual"]
At = Literal["auto", "last", "subject", "all"]
Place = Callable[[Model, int, Callable[[Tensor], Tensor]], AbstractContextManager[None]]
PLACES: dict[str, Place] = {
    "mlp": edit_mlp_output, "attention": edit_attention_output, "residual": edit_residual, "heads": edit_heads,
}  # fmt: skip


def _per_layer(scene: Scene) -> int:
    return scene.model.layout.heads if scene.units.granularity == "heads" else 1


@localizers.add(
    "causal_tracing",
    paper="arXiv:2202.05262",
    aliases=("rome",),
    granularities=("layers", "heads"),
    subjects=True,
    rounds=lambda scene, *, draws, **_: 1 + draws * (1 + scene.model.layout.depth * _per_layer(scene)),
)
def causal_tracing(
    scene: Scene,
    *,
    restore: Restore = "mlp",
    at: At = "auto",
    window: AtLeastOne = 1,
    draws: AtLeastOne = 3,
    noise: Positive = 3.0,
) -> Float[Tensor, " units"]:
    """`noise` is ν: how many standard deviations the noise has."""
    kind = "heads" if scene.units.granularity == "heads" else restore
    where = at if at != "auto" else "last" if kind in ("mlp", "residual") else "all"
    corruption = corruption_of(scene, noise)
    found = torch.zeros(scene.units.count)
    with torch.no_grad():
        for batch in corruption.batches():
            clean = _clean(scene, batch, PLACES[kind])
            nodes = _nodes(batch, where)
            for draw in range(draws):
                found += _effects(corruption, batch, draw, _Restored(kind, clean, nodes, window))
    return found / (draws * len(corruption.encoded))


class _Restored:
    """The clean states of a batch, at the nodes where they are put back."""

    def __init__(self, kind: str, clean: Sequence[Tensor], nodes: Int[Tensor, " restored"], window: int) -> None:
        self.kind, self.clean, self.nodes, self.window = kind, clean, nodes, window

    def layers(self, layer: int) -> range:
        """Those that are restored together; the authors' window."""
        if self.kind == "heads":
            return range(layer, layer + 1)
        return range(max(0, layer - self.window // 2), min(len(self.clean), layer - (-self.window // 2)))

    @contextmanager
    def within(self, model: Model, layer: int, columns: slice) -> Iterator[None]:
        """Within the block the states stand in for those of the pass."""

        def putting(clean: Tensor) -> Callable[[Tensor], Tensor]:
            def put(state: Tensor) -> Tensor:
                edited = state.flatten(0, -2).clone()
                edited[self.nodes, columns] = clean[self.nodes, columns].to(edited)
                return edited.view_as(state)

            return put

        with ExitStack() as stack:
            for each in self.layers(layer):
                stack.enter_context(PLACES[self.kind](model, each, putting(self.clean[each])))
            yield


def _effects(corruption: Corruption, batch: Batch, draw: int, restored: _Restored) -> Float[Tensor, " units"]:
    """Σ_examples IE of every unit."""
    scene = corruption.scene
    model, layout = scene.model, scene.model.layout
    size = layout.head_dim if restored.kind == "heads" else 0
    columns = [slice(i * size, (i + 1) * size) for i in range(layout.heads)] if size else [slice(None)]
    effects = []
    with corruption.of(batch, draw):
        with blocks_seen(model) as below:
            without = _probability(scene, batch)
        scene.tick(len(batch.numbers))
        for layer in range(layout.depth):
            for each in columns:
                with resumed(model, restored.layers(layer).start, below), restored.within(model, layer, each):
                    effects.append((_probability(scene, batch) - without).sum())
                scene.tick(len(batch.numbers))
    return torch.stack(effects).cpu()


def _clean(scene: Scene, batch: Batch, place: Place) -> list[Tensor]:
    """The state of each layer when nothing is disturbed."""
    states: list[Tensor] = []
    with ExitStack() as stack:
        for layer in range(scene.model.layout.depth):
            stack.enter_context(place(scene.model, layer, only_reading(states.append)))
        _probability(scene, batch)
    scene.tick(len(batch.numbers))
    return states


def _nodes(batch: Batch, where: str) -> Int[Tensor, " restored"]:
    if where == "all":
        return torch.arange(len(batch.forest.ids), device=batch.subject.device)
    return batch.last if where == "last" else batch.subject


def _probability(scene: Scene, batch: Batch) -> Float[Tensor, " examples"]:
    """P of each example."""
    forest = batch.forest
    with torch.autocast(scene.model.device.type, torch.bfloat16, enabled=scene.bf16):
        each = forward(scene.model, forest).log_probs.float()
    return sums(each * batch.share, forest.owner, forest.branches).exp()
